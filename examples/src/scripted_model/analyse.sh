# Looks for things worth automating in logbook.csv: time,entity,state,source
set -eu

# How often and how long everything that can be switched was on.
awk -F, '
function minutes(time) { return (substr(time, 9, 2) * 24 + substr(time, 12, 2)) * 60 + substr(time, 15, 2) }
NR == 1 || $2 ~ /^(binary_sensor|lock)/ { next }
$3 == "on" { since[$2] = minutes($1); starts[$2]++; if ($1 ~ /T(17|18|19|20)/) peak[$2]++ }
$3 == "off" && ($2 in since) {
    on = minutes($1) - since[$2]
    delete since[$2]
    total[$2] += on
    if (on > 8 * 60) long[$2]++
}
END {
    for (entity in starts)
        printf "%s,%d,%d,%d,%.1f\n", entity, starts[entity], peak[entity], long[entity], total[entity] / 60
}' logbook.csv | sort -t, -k5,5nr -k1,1 > usage
{ echo "entity,starts,starts_17_to_21,over_8_hours,hours"; cat usage; } > artifacts/usage.csv

# What people do by hand: in which hour, on how many days, at what time on average.
awk -F, '
NR > 1 && $4 != "automation" && $4 != "device" {
    hour = substr($1, 12, 2)
    key = $2 "," $3 "," hour
    count[key]++
    minute[key] += substr($1, 15, 2)
    if (!((key, substr($1, 1, 10)) in seen)) { seen[key, substr($1, 1, 10)] = 1; days[key]++ }
}
END {
    for (key in days) {
        split(key, part, ",")
        printf "%s,%s,%s:%02d,%d\n", part[1], part[2], part[3], minute[key] / count[key], days[key]
    }
}' logbook.csv | sort -t, -k4,4nr -k1,1 > habits
{ echo "entity,state,usual_time,days"; cat habits; } > artifacts/habits.csv

# How long a room was heated with its window open.
awk -F, '
function minutes(time) { return (substr(time, 9, 2) * 24 + substr(time, 12, 2)) * 60 + substr(time, 15, 2) }
function settle(room, now) {
    if (open[room] && heated[room]) wasted[room] += now - last[room]
    last[room] = now
}
$2 ~ /^binary_sensor\.window_/ { room = substr($2, 22); settle(room, minutes($1)); open[room] = ($3 == "on") }
$2 ~ /^climate\./ { room = substr($2, 9); settle(room, minutes($1)); heated[room] = ($3 == "on") }
END { for (room in wasted) printf "%s,%.1f\n", room, wasted[room] / 60 }
' logbook.csv | sort > wasted

days=$(sed 1d logbook.csv | cut -c1-10 | sort -u | wc -l)
echo "days $((days))"
awk -F, -v days="$days" '$4 >= days * 0.8 { print "habit", $1, $2, $3, $4 }' habits
awk -F, '$1 ~ /^switch/ && $3 >= $2 * 0.8 { print "peak", $1, $2, $3 }' usage
awk -F, '$4 > 0 { print "forgotten", $1, $4 }' usage
awk -F, '$2 >= 1 { print "wasted", $1, $2 }' wasted

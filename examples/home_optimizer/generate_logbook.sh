#!/bin/sh
# Writes the logbook of an invented home: 28 days, one line per change of state, in the shape of a Home Assistant export.
#
#     sh generate_logbook.sh > logbook.csv
#
# Needs a POSIX awk and sort. The output is the same on every machine: the random numbers are its own.
#
# Habits worth finding are planted in it:
#   - the porch light is switched by hand every evening, and on some nights forgotten until the morning;
#   - the dishwasher starts in the evening peak of the tariff, between 17 and 21 o'clock;
#   - the bedroom window stands open while the bedroom is being heated;
#   - the front door is locked by hand at the same time every night.
set -eu

echo "time,entity,state,source"
awk '
function random(low, high) { # Park and Miller: exact in the doubles of every awk
    seed = (seed * 16807) % 2147483647
    return low + int(seed / 2147483647 * (high - low + 1))
}
function chance(percent) { return random(1, 100) <= percent }
function someone() { return chance(55) ? "anna" : "ben" }
function write(minute, entity, state, source,    late) {
    late = int(minute / 1440)
    minute -= late * 1440
    printf "2026-02-%02dT%02d:%02d:%02d,%s,%s,%s\n", day + late, minute / 60, minute % 60, random(0, 59), entity, state, source
}
function use(from, to, entity, by_on, by_off) {
    write(from, entity, "on", by_on)
    write(to, entity, "off", by_off)
}
BEGIN {
    seed = 20260201
    for (day = 1; day <= 28; day++) {
        weekend = (day % 7 == 0 || day % 7 == 1)
        woken = weekend ? random(480, 540) : random(385, 415)

        # Rooms.
        use(woken, woken + random(20, 40), "light.bedroom", someone(), someone())
        use(woken + random(8, 14), woken + random(50, 75), "light.kitchen", someone(), someone())
        use(random(1040, 1080), random(1150, 1210), "light.kitchen", someone(), someone())
        use(random(1090, 1130), random(1340, 1370), "light.living_room", someone(), someone())
        use(random(1375, 1385), random(1390, 1420), "light.bedroom", someone(), someone())
        use(random(1170, 1200), random(1325, 1345), "media_player.tv", someone(), someone())

        # The hallway looks after itself.
        for (walk = random(18, 26); walk > 0; walk--) {
            at = random(woken, 1380)
            use(at, at + 3, "binary_sensor.motion_hallway", "device", "device")
            use(at, at + 4, "light.hallway", "automation", "automation")
        }

        # Heating by timer; the window by hand.
        use(345, 505, "climate.bedroom", "automation", "automation")
        use(1020, 1345, "climate.living_room", "automation", "automation")
        if (chance(85)) use(woken + random(4, 9), woken + random(52, 68), "binary_sensor.window_bedroom", "device", "device")

        # The porch light.
        write(random(1062, 1076), "light.porch", "on", someone())
        if (chance(80)) write(random(1375, 1384), "light.porch", "off", someone())
        else if (day < 28) write(1440 + random(400, 430), "light.porch", "off", someone())

        # Machines.
        if (chance(88)) { at = random(1128, 1172); use(at, at + random(105, 118), "switch.dishwasher", "ben", "device") }
        if (day % 3 == 0) { at = random(600, 700); use(at, at + random(85, 95), "switch.washing_machine", someone(), "device") }
        if (!weekend && chance(85)) { at = random(1085, 1100); use(at, at + random(160, 230), "switch.ev_charger", "anna", "device") }

        # The front door.
        if (!weekend) {
            write(woken + random(70, 80), "lock.front_door", "unlocked", someone())
            write(woken + random(81, 84), "lock.front_door", "locked", someone())
            write(random(1040, 1070), "lock.front_door", "unlocked", someone())
        }
        write(random(1381, 1389), "lock.front_door", "locked", chance(80) ? "anna" : "ben")
    }
}' | LC_ALL=C sort

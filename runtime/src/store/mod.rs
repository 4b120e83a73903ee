//! The store: one SQLite file that is the delivery queue, the offline archive and the ledger.

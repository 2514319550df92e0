//! What queues have in common: rows that are due, each taken by one collector for one try.

/// Takes a due row for one try: until `until` no other collector does. Whether it could: another may have
/// been quicker, which has counted its try.
macro_rules! claim {
    ($conn:expr, $table:ident, $id:ident, $row:expr, $queued:expr, $until:expr) => {{
        let n_updated = diesel::update(
            $table::table
                .filter($table::organization_id.eq($row.organization_id))
                .filter($table::$id.eq($row.$id))
                .filter($table::state.eq(Word($queued)))
                .filter($table::n_tries.eq($row.n_tries)),
        )
        .set(($table::n_tries.eq($row.n_tries + 1), $table::due_at.eq($until.naive_utc())))
        .execute($conn)?;
        n_updated == 1
    }};
}

pub(super) use claim;

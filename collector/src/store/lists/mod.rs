//! Lists with filters and orders, one file per list.
//!
//! Every order ends in the row's id, so that it is total and a part begins exactly after the row with a
//! key, whatever was written in the meantime. Rows without a value come last in both directions, on
//! both databases.

pub mod activities;
pub mod apps;
pub mod audit;
pub mod installations;
pub mod mail_messages;
pub mod mailings;
pub mod offboardings;
pub mod source_accounts;
pub mod spend_lines;
pub mod sync_sessions;
pub mod usage_days;
pub mod user_apps;
pub mod users;

/// Orders a boxed query by its id and begins after one.
macro_rules! by_id {
    ($query:ident, $id:expr, $is_descending:expr, $after:expr) => {
        if $is_descending {
            $query = $query.order($id.desc());
            if let Some(id) = $after {
                $query = $query.filter($id.lt(id));
            }
        } else {
            $query = $query.order($id.asc());
            if let Some(id) = $after {
                $query = $query.filter($id.gt(id));
            }
        }
    };
}

/// Orders a boxed query by a column that is never null, then by id, and begins after a row of both. The
/// bound of the column alone, which every such filter of ours has, is what an index is entered by: to an
/// `or` SQLite reads from the start, and a whole list would cost the square of its rows.
macro_rules! by_column {
    ($query:ident, $column:expr, $id:expr, $is_descending:expr, $after:expr) => {
        if $is_descending {
            $query = $query.order(($column.desc(), $id.desc()));
            if let Some((value, id)) = $after {
                $query = $query.filter($column.le(value.clone()));
                $query = $query.filter($column.lt(value).or($id.lt(id)));
            }
        } else {
            $query = $query.order(($column.asc(), $id.asc()));
            if let Some((value, id)) = $after {
                $query = $query.filter($column.ge(value.clone()));
                $query = $query.filter($column.gt(value).or($id.gt(id)));
            }
        }
    };
}

/// Orders a boxed query by a column that may be null, then by id, and begins after a row of both.
macro_rules! by_nullable_column {
    ($query:ident, $column:expr, $id:expr, $is_descending:expr, $after:expr) => {
        if $is_descending {
            $query = $query.order(($column.is_null().asc(), $column.desc(), $id.desc()));
            match $after {
                None => {}
                Some((None, id)) => $query = $query.filter($column.is_null().and($id.lt(id))),
                Some((Some(value), id)) => {
                    let same = $column.eq(value.clone()).and($id.lt(id));
                    $query = $query.filter($column.lt(value).or(same).or($column.is_null()));
                }
            }
        } else {
            $query = $query.order(($column.is_null().asc(), $column.asc(), $id.asc()));
            match $after {
                None => {}
                Some((None, id)) => $query = $query.filter($column.is_null().and($id.gt(id))),
                Some((Some(value), id)) => {
                    let same = $column.eq(value.clone()).and($id.gt(id));
                    $query = $query.filter($column.gt(value).or(same).or($column.is_null()));
                }
            }
        }
    };
}

pub(crate) use {by_column, by_id, by_nullable_column};

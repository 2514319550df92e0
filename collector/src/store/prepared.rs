//! Statements with a text of our own that a connection parses once, not at each call.
//!
//! diesel cannot know whether the text of `sql_query` will come again, so it prepares it every time. On
//! the way of each event that was 15 % of what the writer did on SQLite, and a round trip more on
//! PostgreSQL. A [`Statement`] is a type: diesel keeps what it prepared under that.
//!
//! PostgreSQL keeps the plan too, and chooses it for the table as it was at the first calls. For an
//! insert there is but one plan. A join that was planned on an empty table reads all of it ever after
//! (in the bench a fifth of the events): it says so with [`Statement::PLANNED_ONCE`]. Forbidding kept
//! plans for the whole connection is no way: each check of a foreign key would be planned again.

use std::marker::PhantomData;

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::query_dsl::RunQueryDsl;
use diesel::serialize::ToSql;
use diesel::sql_types::HasSqlType;

/// A statement whose text is always the same.
pub(super) trait Statement: 'static {
    /// SQL with a `?` for each parameter, in their order, and no other `?`.
    const TEXT: &'static str;
    /// Whether what a connection prepared is kept; false where the right plan depends on how many rows
    /// a table has.
    const PLANNED_ONCE: bool = true;
    /// The SQL types of a row that it answers; `()` where it answers none.
    type Row;
}

/// A [`Statement`] with parameters, to execute or load.
pub(super) struct Prepared<'a, S, DB: Backend> {
    parameters: Vec<Box<dyn QueryFragment<DB> + 'a>>,
    statement: PhantomData<S>,
}

/// Starts a statement: [`Prepared::bind`] its parameters, then execute or load it.
pub(super) fn prepared<'a, S: Statement, DB: Backend>(_: S) -> Prepared<'a, S, DB> {
    Prepared { parameters: Vec::with_capacity(16), statement: PhantomData }
}

impl<'a, S, DB: Backend> Prepared<'a, S, DB> {
    /// Adds the next parameter.
    pub(super) fn bind<ST, V>(mut self, value: V) -> Prepared<'a, S, DB>
    where
        DB: HasSqlType<ST>,
        V: ToSql<ST, DB> + 'a,
        ST: 'a,
    {
        self.parameters.push(Box::new(Parameter { value, sql_type: PhantomData::<ST> }));
        self
    }
}

impl<S: Statement, DB: Backend> QueryFragment<DB> for Prepared<'_, S, DB> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let mut pieces = S::TEXT.split('?');
        out.push_sql(pieces.next().unwrap_or_default());
        for (piece, parameter) in pieces.zip(&self.parameters) {
            parameter.walk_ast(out.reborrow())?;
            out.push_sql(piece);
        }
        Ok(())
    }
}

impl<S: Statement, DB: Backend> QueryId for Prepared<'_, S, DB> {
    type QueryId = S;
    const HAS_STATIC_QUERY_ID: bool = S::PLANNED_ONCE;
}

impl<S: Statement, DB: Backend> Query for Prepared<'_, S, DB> {
    type SqlType = S::Row;
}

impl<S, DB: Backend, Conn> RunQueryDsl<Conn> for Prepared<'_, S, DB> {}

struct Parameter<ST, V> {
    value: V,
    sql_type: PhantomData<ST>,
}

impl<ST, V, DB> QueryFragment<DB> for Parameter<ST, V>
where
    DB: Backend + HasSqlType<ST>,
    V: ToSql<ST, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_bind_param::<ST, V>(&self.value)
    }
}

#[cfg(test)]
mod tests {
    use diesel::prelude::*;
    use diesel::sql_types::{Integer, Text};

    use super::*;

    struct Repeat;

    impl Statement for Repeat {
        const TEXT: &'static str = "select ? + 1, ? || '.'";
        type Row = (Integer, Text);
    }

    #[test]
    fn parameters_take_their_places_each_time() {
        let mut conn = diesel::SqliteConnection::establish(":memory:").unwrap();
        for (n, text) in [(1, "a"), (2, "b")] {
            let row: (i32, String) = prepared(Repeat)
                .bind::<Integer, _>(n)
                .bind::<Text, _>(text)
                .get_result(&mut conn)
                .unwrap();
            assert_eq!(row, (n + 1, format!("{text}.")));
        }
    }
}

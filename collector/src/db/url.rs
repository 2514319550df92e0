//! Which database, as text: the only place that tells the backends apart by name.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// `sqlite:PATH` or `postgres://...`, parsed. `Debug` and `Display` hide user and password.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file; it is created where it does not exist.
    Sqlite(PathBuf),
    /// A server, as libpq understands it.
    Postgres(String),
}

/// Why a text is not a [`DatabaseUrl`]. Never repeats the text: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// Another scheme, or none: an ambiguous path must not silently become an empty database.
    #[error(
        "unknown kind of database; accepted are sqlite:PATH (such as sqlite:rollcall.sqlite) and \
         postgres://USER@HOST/NAME"
    )]
    Scheme,
    /// `sqlite:` without a path.
    #[error("sqlite: needs the path of a file, such as sqlite:rollcall.sqlite")]
    NoPath,
    /// `sqlite::memory:`, which every connection of a pool would have for itself.
    #[error("a database in memory cannot be shared between connections; give the path of a file")]
    Memory,
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<DatabaseUrl, DatabaseUrlError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(DatabaseUrl::Postgres(text.to_owned()));
        }
        let path = text.strip_prefix("sqlite:").ok_or(DatabaseUrlError::Scheme)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(DatabaseUrlError::NoPath);
        }
        if path.contains(":memory:") {
            return Err(DatabaseUrlError::Memory);
        }
        Ok(DatabaseUrl::Sqlite(PathBuf::from(path)))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            DatabaseUrl::Postgres(url) => {
                let (_, rest) = url.split_once("://").unwrap_or(("", url));
                let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                // What follows a question mark may be a password as well.
                let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
                write!(f, "postgres://{rest}")
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scheme_is_refused_with_the_accepted_forms() {
        for text in ["mysql://root@localhost/x", "rollcall.sqlite", "", "postgres:x"] {
            let error = text.parse::<DatabaseUrl>().unwrap_err().to_string();
            assert!(error.contains("sqlite:PATH") && error.contains("postgres://"), "{error}");
        }
    }

    #[test]
    fn a_database_in_memory_or_without_a_path_is_refused() {
        assert_eq!("sqlite:".parse::<DatabaseUrl>(), Err(DatabaseUrlError::NoPath));
        assert_eq!("sqlite::memory:".parse::<DatabaseUrl>(), Err(DatabaseUrlError::Memory));
    }

    #[test]
    fn printing_hides_user_and_password() {
        let url: DatabaseUrl =
            "postgres://rollcall:hunter2@db.example:5432/rollcall?password=x".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://db.example:5432/rollcall");
        assert_eq!(format!("{url:?}"), "DatabaseUrl(postgres://db.example:5432/rollcall)");
    }
}

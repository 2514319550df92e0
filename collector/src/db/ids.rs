//! Typed ids: a UUID of version 7, made here and stored as 16 bytes on both backends.

use std::fmt;
use std::str::FromStr;
use std::sync::{LazyLock, Mutex};

use chrono::{DateTime, Utc};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Binary;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::{ContextV7, Timestamp, Uuid};

/// Counts within a millisecond, so that ids made one after the other sort so: the audit and the
/// activities are listed by id.
static ORDER: LazyLock<Mutex<ContextV7>> = LazyLock::new(|| Mutex::new(ContextV7::new()));

/// A version 7 UUID for something that comes to be at `now`; larger than all that were made before.
fn uuid_at(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    let timestamp = Timestamp::from_unix(&*ORDER, seconds, now.timestamp_subsec_nanos());
    Uuid::new_v7(timestamp)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
        #[diesel(sql_type = Binary)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, ordered by `now`.
            #[must_use]
            pub fn new(now: DateTime<Utc>) -> $name {
                $name(uuid_at(now))
            }

            /// An id from its bytes.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> $name {
                $name(Uuid::from_bytes(bytes))
            }

            /// The bytes that are stored.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.as_hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<$name, uuid::Error> {
                Uuid::parse_str(text).map($name)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                Uuid::deserialize(deserializer).map($name)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .format(Some(SchemaFormat::Custom("uuid".to_owned())))
                    .examples(["019ab0c2-5a00-7000-8000-000000000001"])
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}

        impl<DB> ToSql<Binary, DB> for $name
        where
            DB: Backend,
            [u8]: ToSql<Binary, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.0.as_bytes().as_slice().to_sql(out)
            }
        }

        impl<DB> FromSql<Binary, DB> for $name
        where
            DB: Backend,
            Vec<u8>: FromSql<Binary, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
                let bytes = Vec::<u8>::from_sql(bytes)?;
                Ok($name(Uuid::from_slice(&bytes)?))
            }
        }
    )*};
}

ids! {
    /// A tenant; leads every key.
    OrganizationId;
    /// Where facts come from.
    SourceId;
    /// A unique e-mail address with an account in at least one app.
    UserId;
    /// A catalog app, a custom app or a discovered site of one organization.
    AppId;
    /// One thing that happened.
    ActivityId;
    /// A secret that can only enroll.
    EnrollmentKeyId;
    /// One copy of the extension in one browser profile.
    InstallationId;
    /// A license type of one app.
    LicenseId;
    /// Who may look and change.
    AdminId;
    /// A secret of a script or another product.
    ApiKeyId;
    /// One line of the audit.
    AuditEntryId;
    /// One upload of a source in pages.
    SyncSessionId;
    /// One piece of work after a change of limits.
    ReassessmentId;
    /// A pattern that says which app a line of spend belongs to.
    MatchingRuleId;
    /// One mail to many.
    MailingId;
    /// One mail to one person.
    MailMessageId;
    /// An address that is told of events.
    WebhookId;
    /// Something that webhooks are told of.
    WebhookEventId;
    /// One event on its way to one webhook.
    WebhookDeliveryId;
    /// A list under a name.
    SavedViewId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_moment_sort_in_the_order_in_which_they_were_made() {
        let now = DateTime::UNIX_EPOCH;
        let ids: Vec<AuditEntryId> = (0..1_000).map(|_| AuditEntryId::new(now)).collect();
        assert!(ids.is_sorted());
    }
}

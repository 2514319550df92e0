//! Which installation is calling, remembered for a minute so that a batch needs no query.
//!
//! A change made here is seen at once; one made by another collector within [`MEMORY`]. What must not
//! wait (a revoked token, a batch's number) is checked again where the batch is committed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use shared::wire::{IdentityMethod, Mode};

use crate::clock::Clock;
use crate::db::{Db, DbConnection, InstallationId, OrganizationId, UserId};
use crate::problem::ApiError;
use crate::store::organizations::Organization;
use crate::store::{StoreError, installations, organizations};
use crate::tokens::{Token, TokenHash};

/// How long an answer is remembered: how late a change made elsewhere may be seen.
pub const MEMORY: TimeDelta = TimeDelta::seconds(60);

/// Far more browsers than one collector serves within a minute.
const MOST: usize = 200_000;

/// An installation whose token was accepted.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its organization with all settings.
    pub organization: Arc<Organization>,
    /// Its id.
    pub installation_id: InstallationId,
    /// Who uses the profile.
    pub user_id: Option<UserId>,
    /// How we know.
    pub identity_method: Option<IdentityMethod>,
    /// The loosest mode that its policy allows.
    pub policy_mode: Mode,
    /// Since when it is known.
    pub enrolled_at: DateTime<Utc>,
    /// How far its clock was behind ours at its last heartbeat.
    pub clock_skew: Option<TimeDelta>,
}

impl Caller {
    /// The mode in force: the stricter of policy and organization.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.policy_mode.stricter(self.organization.mode)
    }

    /// Whether its reports may be stored at all (T27).
    ///
    /// # Errors
    /// [`ApiError::ReportingDisabled`] and [`ApiError::NotSignedIn`].
    pub fn check_may_report(&self) -> Result<(), ApiError> {
        match self.mode() {
            Mode::Disabled => Err(ApiError::ReportingDisabled),
            Mode::Authenticated if !self.is_signed_in() => Err(ApiError::NotSignedIn),
            Mode::Authenticated | Mode::Unauthenticated => Ok(()),
        }
    }

    /// Its user proved who they are to the collector itself.
    #[must_use]
    pub fn is_signed_in(&self) -> bool {
        self.identity_method.is_some_and(is_proof)
    }
}

/// An identity that the collector verified itself, not one that the browser only states.
#[must_use]
pub fn is_proof(method: IdentityMethod) -> bool {
    matches!(method, IdentityMethod::MagicLink | IdentityMethod::Oidc)
}

type Key = [u8; 32];

/// The memory.
#[derive(Debug)]
pub struct Callers {
    clock: Clock,
    installations: Mutex<HashMap<Key, Remembered<Option<Arc<Caller>>>>>,
    organizations: Mutex<HashMap<OrganizationId, Remembered<Arc<Organization>>>>,
}

#[derive(Debug)]
struct Remembered<T> {
    value: T,
    until: DateTime<Utc>,
}

impl Callers {
    /// An empty memory.
    #[must_use]
    pub fn new(clock: Clock) -> Callers {
        Callers {
            clock,
            installations: Mutex::new(HashMap::new()),
            organizations: Mutex::new(HashMap::new()),
        }
    }

    /// The installation with this token.
    ///
    /// # Errors
    /// [`ApiError::TokenRefused`] for one that is unknown or revoked.
    pub async fn find(self: &Arc<Self>, db: &Db, token: Token) -> Result<Arc<Caller>, ApiError> {
        let hash = token.hash();
        if let Some(known) = self.recall(&hash) {
            return known.ok_or(ApiError::TokenRefused);
        }
        let callers = self.clone();
        let found = db
            .run(move |conn| callers.load(conn, token.organization_id(), &hash))
            .await
            .map_err(|error: StoreError| ApiError::from(error))?;
        found.ok_or(ApiError::TokenRefused)
    }

    /// An organization with its settings.
    ///
    /// # Errors
    /// When the database refuses or the organization is gone.
    pub fn organization(
        &self,
        conn: &mut DbConnection,
        organization_id: OrganizationId,
    ) -> Result<Arc<Organization>, StoreError> {
        let now = self.clock.now();
        if let Some(known) = lock(&self.organizations).get(&organization_id)
            && now < known.until
        {
            return Ok(known.value.clone());
        }
        let found = organizations::find(conn, organization_id)?
            .ok_or(StoreError::Inconsistent("the organization is gone"))?;
        let value = Arc::new(found);
        let remembered = Remembered { value: value.clone(), until: now + MEMORY };
        lock(&self.organizations).insert(organization_id, remembered);
        Ok(value)
    }

    /// Forgets one installation, because it was changed.
    pub fn forget(&self, hash: &TokenHash) {
        lock(&self.installations).remove(hash.as_bytes());
    }

    /// Forgets everything, because an organization's settings were changed.
    pub fn forget_all(&self) {
        lock(&self.installations).clear();
        lock(&self.organizations).clear();
    }

    fn recall(&self, hash: &TokenHash) -> Option<Option<Arc<Caller>>> {
        let now = self.clock.now();
        let installations = lock(&self.installations);
        let known = installations.get(hash.as_bytes())?;
        (now < known.until).then(|| known.value.clone())
    }

    fn load(
        &self,
        conn: &mut DbConnection,
        organization_id: OrganizationId,
        hash: &TokenHash,
    ) -> Result<Option<Arc<Caller>>, StoreError> {
        let row = installations::find_by_token(conn, organization_id, hash)?;
        let value = match row {
            Some(row) if row.revoked_at.is_none() => Some(Arc::new(Caller {
                organization: self.organization(conn, organization_id)?,
                installation_id: row.installation_id,
                user_id: row.user_id,
                identity_method: row.identity_method.map(|it| it.0),
                policy_mode: row.mode.0,
                enrolled_at: row.enrolled_at.and_utc(),
                clock_skew: row.clock_skew_ms.map(TimeDelta::milliseconds),
            })),
            _ => None,
        };
        let now = self.clock.now();
        let mut installations = lock(&self.installations);
        if MOST <= installations.len() {
            installations.retain(|_, it| now < it.until);
        }
        if MOST <= installations.len() {
            installations.clear();
        }
        let remembered = Remembered { value: value.clone(), until: now + MEMORY };
        installations.insert(*hash.as_bytes(), remembered);
        Ok(value)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves a map that is at worst incomplete.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

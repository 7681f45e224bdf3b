//! Views that users save: what a page of the console shows (its filter, columns, order), under a name.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::Refusal;
use crate::ids::{UserId, ViewId};
use crate::name::Name;
use crate::time::Timestamp;

/// How many views a user may save of one page. Nobody finds anything among more.
pub const MOST_A_PAGE: usize = 50;
/// The longest state, in bytes: the longest address that browsers are sure to take is not much longer.
pub const LONGEST_STATE_BYTES: usize = 4_096;
/// The longest name of a page, in characters.
const LONGEST_PAGE: usize = 40;

/// A view that a user saved. Only that user finds it; the jobs that saved it are seen as all jobs are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SavedView {
    /// Its id.
    pub id: ViewId,
    /// Whose.
    pub user: UserId,
    /// Of which page of the console: `vms`, `jobs`.
    pub page: String,
    /// What the user calls it; once for each page.
    pub name: Name,
    /// What the page shows: the part of its address behind the question mark.
    pub state: String,
    /// When it was first saved.
    pub created: Timestamp,
}

impl SavedView {
    /// How people write it: its page and its name.
    pub fn called(&self) -> String {
        format!("{}/{}", self.page, self.name)
    }
}

/// Whether a view may be saved so.
///
/// # Errors
/// `value.invalid` when the page is not 1 to 40 of the signs `a-z0-9-`, or the state is longer than 4,096 bytes or holds
/// control characters.
pub fn check(page: &str, state: &str) -> Result<(), Refusal> {
    let sign = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !(1..=LONGEST_PAGE).contains(&page.chars().count()) || !page.chars().all(sign) {
        let cause = format!("it is not 1 to {LONGEST_PAGE} small letters, digits and dashes");
        return Err(Refusal::invalid("page", cause).remedy("Write it as in vms"));
    }
    if state.len() > LONGEST_STATE_BYTES {
        let cause = format!("it has {} bytes; {LONGEST_STATE_BYTES} are allowed", state.len());
        return Err(Refusal::invalid("state", cause));
    }
    if state.chars().any(char::is_control) {
        return Err(Refusal::invalid("state", "it holds control characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_of_a_page_and_not_longer_than_an_address() {
        assert!(check("vms", "filter=status%3Drunning&sort=-name").is_ok());
        assert!(check("library-items", "").is_ok());
        for page in ["", "VMs", "a/b", "..", &"a".repeat(41)] {
            assert!(check(page, "").is_err(), "{page}");
        }
        assert!(check("vms", &"a".repeat(LONGEST_STATE_BYTES)).is_ok());
        assert!(check("vms", &"ä".repeat(LONGEST_STATE_BYTES / 2 + 1)).is_err());
        assert!(check("vms", "a\nb").is_err());
    }
}

//! The place a sealed text belongs to.
//!
//! Stands between the caller, who names purpose and row, and the cipher, which authenticates
//! both without storing them.
//!
//! **Invariant:** two different places never give the same bytes, whatever they contain.

use std::fmt;

/// Associated data: what is sealed for one `Aad` opens for the same one only.
#[derive(Clone, PartialEq, Eq)]
pub struct Aad {
    purpose: String,
    row: String,
}

impl Aad {
    /// The place of a value: its purpose, such as `platform_connections.access_token`, and the
    /// id of its row.
    pub fn new(purpose: impl Into<String>, row: impl fmt::Display) -> Self {
        Self { purpose: purpose.into(), row: row.to_string() }
    }

    /// The place of a secret in the arguments of a job: purpose `jobs.args`, row
    /// `<job id>.<field>`.
    pub fn job_argument(job_id: impl fmt::Display, field: &str) -> Self {
        Self::new("jobs.args", format_args!("{job_id}.{field}"))
    }

    /// The bytes that are authenticated: the version, then each part after its length.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(18 + self.purpose.len() + self.row.len());
        bytes.extend_from_slice(b"v1");
        for part in [&self.purpose, &self.row] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

impl fmt::Debug for Aad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aad({} {})", self.purpose, self.row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_moved_between_purpose_and_row_makes_another_place() {
        assert_ne!(Aad::new("ab", "c").bytes(), Aad::new("a", "bc").bytes());
    }

    #[test]
    fn a_job_argument_is_bound_to_job_and_field() {
        assert_eq!(Aad::job_argument(7, "code"), Aad::new("jobs.args", "7.code"));
        assert_ne!(Aad::job_argument(7, "code"), Aad::job_argument(7, "verifier"));
        assert_ne!(Aad::job_argument(7, "code"), Aad::job_argument(8, "code"));
    }
}

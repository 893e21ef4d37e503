//! The two roles a ring of keys has, as two types.
//!
//! Functions ask for the role, so the compiler keeps the rings apart.
//!
//! **Invariant:** neither type turns into the other, nor gives its ring away.

use secrecy::SecretString;

use crate::{Aad, Error, Keyring, Sealed};

macro_rules! role {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(Keyring);

        impl $name {
            /// Reads the keys from their setting; see [`Keyring::parse`].
            ///
            /// # Errors
            ///
            /// [`Error::InvalidKeys`] says what is wrong, without showing it.
            pub fn parse(setting: &SecretString) -> Result<Self, Error> {
                Keyring::parse(setting).map(Self)
            }

            /// Encrypts with the current key, bound to `aad`; see [`Keyring::seal`].
            pub fn seal(&self, plaintext: &SecretString, aad: &Aad) -> Sealed {
                self.0.seal(plaintext, aad)
            }

            /// Decrypts what was sealed for the same `aad`; see [`Keyring::open`].
            ///
            /// # Errors
            ///
            /// [`Error::UnknownKey`] or [`Error::Refused`].
            pub fn open(&self, sealed: &Sealed, aad: &Aad) -> Result<SecretString, Error> {
                self.0.open(sealed, aad)
            }

            /// Whether this was sealed with the current key; see [`Keyring::is_current`].
            pub fn is_current(&self, sealed: &Sealed) -> bool {
                self.0.is_current(sealed)
            }
        }

        impl From<Keyring> for $name {
            fn from(ring: Keyring) -> Self {
                Self(ring)
            }
        }
    };
}

role! {
    /// The keys of the networks' tokens at rest; only the worker has them.
    TokenKeys
}

role! {
    /// The keys of secrets on their way from the API to the worker; both have them.
    TravelKeys
}

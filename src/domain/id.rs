//! Identities. Each is a type of its own, so that one cannot be taken for another.

use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identity; identities made later sort later.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// Reads the hyphenated form; `None` for anything else.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Uuid::try_parse(text).ok().map(Self)
            }

            /// The sixteen bytes, as stored.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// From the sixteen bytes, as stored.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A function, for its whole life, whatever it is named.
    FunctionId
);
id!(
    /// One revision of one function.
    RevisionId
);
id!(
    /// One call and its record.
    ExecutionId
);
id!(
    /// One job.
    JobId
);
id!(
    /// One worker, from the container's creation to its removal.
    WorkerId
);
id!(
    /// One access token; says nothing of the token itself.
    TokenId
);
id!(
    /// One data directory: the owner of containers, images and networks.
    InstanceId
);

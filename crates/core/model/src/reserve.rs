//! What is kept for hosts themselves: in force, as it is set at one place, and as an edit of that.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::error::Refusal;

/// Defines what is kept, field by field: in force, as set at one place (where absent is as above it), and as an edit.
macro_rules! reserves {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $default:literal, $words:literal, most $most:tt;)*) => {
        /// What is kept for a host itself, so that placement does not give it away: as it is in force.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(default)]
        pub struct Reserve { $(
            $(#[$doc])*
            pub $field: $type,
        )* }

        impl Default for Reserve {
            fn default() -> Self {
                Self { $($field: $default),* }
            }
        }

        /// What a host or a group of hosts sets of it. What is absent is as in the group above.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct OwnReserve { $(
            $(#[$doc])*
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schema(maximum = $most)]
            pub $field: Option<$type>,
        )* }

        impl OwnReserve {
            /// Whether nothing is set.
            pub fn is_empty(&self) -> bool {
                *self == Self::default()
            }

            /// Whether it may be set so.
            ///
            /// # Errors
            /// `value.invalid` for a share of more than 100 percent and for sizes beyond reason.
            pub fn check(&self) -> Result<(), Refusal> {
                $(if let Some(value) = self.$field && u64::from(value) > $most {
                    return Err(Refusal::invalid($words, format!("{value} is more than {}", $most)));
                })*
                Ok(())
            }

            /// The edit that sets what is set here.
            pub fn as_edit(&self) -> EditReserve {
                EditReserve { $($field: self.$field.map(Some)),* }
            }

            /// Takes from the group above what is not set here.
            #[must_use]
            pub fn or(self, above: Self) -> Self {
                Self { $($field: self.$field.or(above.$field)),* }
            }

            /// In force, where nothing is above.
            pub fn in_force(self) -> Reserve {
                let usual = Reserve::default();
                Reserve { $($field: self.$field.unwrap_or(usual.$field)),* }
            }
        }

        impl From<Reserve> for OwnReserve {
            fn from(all: Reserve) -> Self {
                Self { $($field: Some(all.$field)),* }
            }
        }

        /// A change of what is set: absent stays, null is as in the group above from now on.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct EditReserve { $(
            $(#[$doc])*
            #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "said")]
            #[schema(value_type = Option<$type>, maximum = $most)]
            pub $field: Option<Option<$type>>,
        )* }

        impl EditReserve {
            /// All as in the group above.
            pub fn inherit() -> Self {
                Self { $($field: Some(None)),* }
            }

            /// Whether nothing changes.
            pub fn is_empty(&self) -> bool {
                *self == Self::default()
            }

            /// What is set after the change.
            #[must_use]
            pub fn applied(self, to: OwnReserve) -> OwnReserve {
                OwnReserve { $($field: self.$field.unwrap_or(to.$field)),* }
            }
        }

        /// Where each value in force was set.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        pub struct ReserveFrom { $(
            $(#[$doc])*
            pub $field: crate::host_group::SetBy,
        )* }

        impl ReserveFrom {
            /// Where each was set, going through places from the nearest to the farthest.
            pub(crate) fn of(places: &[(OwnReserve, &dyn Fn() -> crate::host_group::SetBy)]) -> Self {
                let by = |is_set: &dyn Fn(&OwnReserve) -> bool| {
                    let place = places.iter().find(|(own, _)| is_set(own));
                    place.map_or(crate::host_group::SetBy::Default, |(_, by)| by())
                };
                Self { $($field: by(&|own| own.$field.is_some())),* }
            }
        }

        impl Reserve {
            /// Each value with its word, for comparisons that are shown.
            pub fn values(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), u64::from(self.$field))),*]
            }
        }
    };
}

// The most memory or disk space is a pebibyte. Processor, memory and disk space are the old manager's defaults, memory as its host view shows it (V-021).
reserves! {
    /// Processor, percent of the whole host. Default 20.
    cpu_percent: u32 = 20, "processor reserve", most 100;
    /// Memory in MiB. Default 512.
    memory_mib: u64 = 512, "memory reserve", most 1_073_741_824;
    /// Disk space in MiB. Default 100.
    disk_mib: u64 = 100, "disk space reserve", most 1_073_741_824;
    /// Disk operations per second. Default 0.
    disk_operations_per_s: u32 = 0, "disk operations reserve", most 1_000_000_000;
    /// Network, percent of what the adapters carry. Default 0.
    network_percent: u32 = 0, "network reserve", most 100;
}

/// What stands there is said, also where it is null.
pub(crate) fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// An edit of what is set; null for all as in the group above.
pub(crate) fn edit_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<EditReserve, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_else(EditReserve::inherit))
}

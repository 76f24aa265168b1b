//! What is counted, and the names of its keys.

use cachekit_keys::{
    CivilDate, CostKey, Key, KeySchema, QuotaKey, QuotaMetric, QuotaRecord, UserId,
};

use crate::calendar::Unit;

/// A metric under `quota:{user}:{metric}:...`, or the costs under `cost:{user}:...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meter {
    Metric(QuotaMetric),
    Cost,
}

impl Meter {
    /// What is counted, as people call it.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Metric(metric) => metric.as_encoded(),
            Self::Cost => "cost",
        }
    }

    /// The counter of the window that begins on `first`.
    pub(super) fn counter(
        &self,
        schema: &KeySchema,
        user: &UserId,
        unit: Unit,
        first: CivilDate,
    ) -> Key {
        let (user, date, month) = (user.clone(), first, first.civil_month());
        match self {
            Self::Metric(metric) => {
                let record = match unit {
                    Unit::Day => QuotaRecord::Day(date),
                    Unit::Week { .. } => QuotaRecord::Week(date),
                    Unit::Month => QuotaRecord::Month(month),
                    Unit::Billing { .. } => QuotaRecord::Period(date),
                };
                schema.key(&QuotaKey::of(user, metric.clone(), record))
            }
            Self::Cost => schema.key(&match unit {
                Unit::Day => CostKey::Daily { user, date },
                Unit::Week { .. } => CostKey::Weekly { user, date },
                Unit::Month => CostKey::Monthly { user, month },
                Unit::Billing { .. } => CostKey::Period { user, date },
            }),
        }
    }

    /// The counter of a gauge; costs have none.
    pub(super) fn gauge(&self, schema: &KeySchema, user: &UserId) -> Option<Key> {
        match self {
            Self::Metric(metric) => Some(schema.key(&QuotaKey::of(
                user.clone(),
                metric.clone(),
                QuotaRecord::Gauge,
            ))),
            Self::Cost => None,
        }
    }

    /// The records of reservations, and when they are due.
    pub(super) fn holds(&self, schema: &KeySchema, user: &UserId) -> [Key; 2] {
        match self {
            Self::Metric(metric) => [QuotaRecord::Holds, QuotaRecord::HoldExpiries]
                .map(|record| schema.key(&QuotaKey::of(user.clone(), metric.clone(), record))),
            Self::Cost => {
                let user = user.clone();
                let due = CostKey::HoldExpiries { user: user.clone() };
                [CostKey::Holds { user }, due].map(|key| schema.key(&key))
            }
        }
    }
}

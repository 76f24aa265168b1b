//! The text of `INFO` as facts.

use std::{collections::HashMap, time::Duration};

use crate::ServerFacts;

/// Reads the reply of `INFO`; what a server does not say stays at its default.
pub(super) fn parse(text: &str, database: i64) -> ServerFacts {
    let fields: HashMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .collect();
    let text_of = |name: &str| fields.get(name).copied().unwrap_or_default().to_owned();
    let number_of = |name: &str| {
        fields
            .get(name)
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(0)
    };
    // Valkey keeps `redis_version` at 7.2.4 for old clients and says its own version beside it.
    let (product, version) = match fields.get("valkey_version") {
        Some(version) => ("valkey", (*version).to_owned()),
        None => ("redis", text_of("redis_version")),
    };
    ServerFacts {
        product: product.to_owned(),
        version,
        used_memory: number_of("used_memory"),
        max_memory: number_of("maxmemory"),
        eviction_policy: text_of("maxmemory_policy"),
        connected_clients: number_of("connected_clients"),
        total_commands: number_of("total_commands_processed"),
        uptime: Duration::from_secs(number_of("uptime_in_seconds")),
        keys: keys_of(fields.get(format!("db{database}").as_str()).copied()),
        append_only: number_of("aof_enabled") == 1,
        cluster: number_of("cluster_enabled") == 1,
    }
}

/// The facts of a cluster from those of its primaries: what can be counted is summed; a limit holds if all have one, and
/// what differs is told as the one who relies on it needs to know it. The product and version are the first one's.
pub(super) fn merge(facts: Vec<ServerFacts>) -> Option<ServerFacts> {
    facts.into_iter().reduce(|first, other| ServerFacts {
        used_memory: first.used_memory.saturating_add(other.used_memory),
        max_memory: match (first.max_memory, other.max_memory) {
            (0, _) | (_, 0) => 0,
            (one, another) => one.saturating_add(another),
        },
        // One node that evicts is enough to lose a key.
        eviction_policy: match first.eviction_policy.as_str() {
            "noeviction" => other.eviction_policy,
            _ => first.eviction_policy,
        },
        connected_clients: first
            .connected_clients
            .saturating_add(other.connected_clients),
        total_commands: first.total_commands.saturating_add(other.total_commands),
        uptime: first.uptime.min(other.uptime),
        keys: first.keys.saturating_add(other.keys),
        append_only: first.append_only && other.append_only,
        ..first
    })
}

/// `keys=12,expires=3,avg_ttl=0`
fn keys_of(keyspace: Option<&str>) -> u64 {
    keyspace
        .and_then(|line| {
            line.split(',')
                .find_map(|field| field.strip_prefix("keys="))
        })
        .and_then(|count| count.parse().ok())
        .unwrap_or(0)
}

//! The cluster as one node sees it: its answer to `CLUSTER NODES`, read.

use std::ops::RangeInclusive;

use crate::server::group::Member;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) port: u16,
    /// Empty while the node has not heard of it.
    hostname: String,
    flags: Vec<String>,
    linked: bool,
    slots: Vec<RangeInclusive<u16>>,
}

impl Line {
    /// `ID IP:PORT@BUS,HOSTNAME FLAGS MASTER PING PONG EPOCH LINK SLOTS...`
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(' ');
        let address = fields.nth(1)?;
        let flags = fields.next()?.split(',').map(str::to_owned).collect();
        let linked = fields.nth(4)? == "connected";
        let (endpoint, rest) = address.split_once('@')?;
        // Later versions put further fields behind the name.
        let hostname = rest.split(',').nth(1).unwrap_or_default().to_owned();
        let port = endpoint.rsplit(':').next()?.parse().ok()?;
        let slots = fields.filter_map(parse_slots).collect();
        Some(Self {
            port,
            hostname,
            flags,
            linked,
            slots,
        })
    }

    pub(super) fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|known| known == flag)
    }

    pub(super) fn serves(&self, slot: u16) -> bool {
        self.is("master") && self.slots.iter().any(|range| range.contains(&slot))
    }

    fn count(&self) -> usize {
        self.slots.iter().map(RangeInclusive::len).sum()
    }

    /// Neither a stranger, nor failing, nor unreachable, and known by the name that clients are told.
    fn is_well(&self, host: &str) -> bool {
        let ill = ["handshake", "noaddr", "fail", "fail?"];
        let linked = self.linked || self.is("myself");
        linked && self.hostname == host && !ill.iter().any(|flag| self.is(flag))
    }
}

/// `0-5460` or `77`; `[77->-ID]`, a slot on the move, is none.
fn parse_slots(field: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = field.split_once('-').unwrap_or((field, field));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// What one node knows.
#[derive(Debug)]
pub(super) struct View(Vec<Line>);

impl View {
    pub(super) fn of(member: &Member) -> Result<Self, String> {
        let text = member.ask_text(&["CLUSTER", "NODES"])?;
        Ok(Self(text.lines().filter_map(Line::parse).collect()))
    }

    pub(super) fn of_port(&self, port: u16) -> Option<&Line> {
        self.0.iter().find(|line| line.port == port)
    }

    pub(super) fn owner(&self, slot: u16) -> Option<&Line> {
        self.0.iter().find(|line| line.serves(slot))
    }

    /// Why this is not the view of a node that is content with all of `present`, if it is not. `views` are their own.
    pub(super) fn complaint(&self, present: &[&Member], views: &[Self]) -> Option<String> {
        let mut served = 0;
        for (member, own) in present.iter().zip(views) {
            match self.of_port(member.port) {
                Some(line) if line.is_well(&member.host) => {
                    // One that has not heard of a change of roles refuses to vote for the next.
                    let itself = own.of_port(member.port);
                    if itself.is_none_or(|itself| itself.is("master") != line.is("master")) {
                        return Some(format!("has not heard of the role of node {}", member.port));
                    }
                    served += line.count();
                }
                other => return Some(format!("sees node {} as {other:?}", member.port)),
            }
        }
        (served != usize::from(super::SLOTS)).then(|| format!("sees {served} slots served"))
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn a_line_is_read_with_its_slots_and_without_those_on_the_move() {
        let line = Line::parse(
            "07c3 127.0.0.1:30004@31004,host4 myself,master - 0 1426238317239 4 connected 0-5460 77 [9300-<-07c4]",
        )
        .unwrap();
        assert_eq!((line.port, line.hostname.as_str()), (30004, "host4"));
        assert!(line.is("master") && line.linked && line.is_well("host4"));
        assert!(line.serves(77) && line.serves(5460) && !line.serves(9300));
        assert_eq!(line.count(), 5_462);
    }

    #[test]
    fn a_line_of_valkey_has_fields_behind_the_name() {
        let text = "07c3 127.0.0.1:1@2,name,shard-id=9 slave,fail 07c4 0 0 4 disconnected";
        let line = Line::parse(text).unwrap();
        assert_eq!(line.hostname, "name");
        assert!(!line.linked && !line.is_well("name"));
    }

    #[test]
    fn a_line_without_a_name_is_one_of_a_node_that_is_not_known_yet() {
        let text = "07c3 127.0.0.1:1@2 handshake - 0 0 0 connected";
        assert!(!Line::parse(text).unwrap().is_well("name"));
    }
}

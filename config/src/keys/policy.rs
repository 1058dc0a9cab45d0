//! The keys of `policy.toml`.

use super::Kind::{
    Choice, Clock, ContentType, Date, Extension, Flag, List, Method, Name, Optional, Ports, Rate,
    Sections, Selector, Size, Text, Zone,
};
use super::{Key, Kind, keys};
use crate::policy_file::{Action, Day, Otherwise, Purpose};

const CAP: Kind = Optional(&Rate("8kbit/s", "1000Gbit/s"));
const LARGEST: Kind = Optional(&Size("1B", "1000TB"));
const NAMES: Kind = List(&Name);

/// Every key of `policy.toml`, in the order of the reference.
pub const POLICY: &[Key] = keys! {
    "time_zone", Zone, r#""Europe/London""#,
        "The zone of every time and day in this file.";
    "strictest", Name, "",
        "The profile of people and networks that nothing else is known of.";
    "otherwise", Choice(Otherwise::WORDS), r#""allow""#,
        "What becomes of a request that no rule matches.";

    "term", Sections(64), "",
        "A stretch of school days.";
    "term.name", Name, "",
        "For people.";
    "term.first", Date, "",
        "Its first day.";
    "term.last", Date, "",
        "Its last day.";

    "period", Sections(64), "",
        "A time of the week that rules name.";
    "period.name", Name, "",
        "Rules name it.";
    "period.days", List(&Choice(Day::WORDS)), r#"["mon", "tue", "wed", "thu", "fri", "sat", "sun"]"#,
        "The days on which it holds.";
    "period.from", Clock, r#""00:00""#,
        "When it begins.";
    "period.to", Clock, r#""24:00""#,
        "When it ends, on the same day; this minute is no longer part of it.";
    "period.term_only", Flag, "false",
        "Holds only on the days of a `[[term]]`.";

    "profile", Sections(128), "",
        "How one kind of person is treated. At least two: one profile for all is refused (AF-05).";
    "profile.name", Name, "",
        "Rules, networks, devices and listeners name it.";
    "profile.groups", NAMES, "[]",
        "Groups whose members have it; the first profile of this file that names one of a person's groups is theirs.";
    "profile.down", CAP, r#""""#,
        "Most that one person may receive, over all connections.";
    "profile.up", CAP, r#""""#,
        "Most that one person may send, over all connections.";
    "profile.download_size", LARGEST, r#""""#,
        "Largest download.";
    "profile.upload_size", LARGEST, r#""""#,
        "Largest upload.";
    "profile.daily", LARGEST, r#""""#,
        "Bytes in both directions for one person on one day of the time zone. Whoever has no name and no device counts by \
         address, an IPv6 address by its /64.";

    "group", Sections(1024), "",
        "A group of people. Rules may name the groups that have a section here or that a profile names.";
    "group.name", Name, "",
        "As `weir users` gives it to people.";
    "group.down", CAP, r#""""#,
        "Most that the whole group may receive.";
    "group.up", CAP, r#""""#,
        "Most that the whole group may send.";

    "category", Sections(256), "",
        "Limits of a category.";
    "category.name", Name, "",
        "As the directory of its lists; also `unlisted` (names that no list knows) and `address` (addresses that no list \
         knows).";
    "category.down", CAP, r#""""#,
        "Most that all traffic of the category may receive.";
    "category.up", CAP, r#""""#,
        "Most that all traffic of the category may send.";

    "rule", Sections(16384), "",
        "Rules are tried from top to bottom; the first that matches decides. All selectors of a rule must hold; one with \
         several values holds when one of them does; one without values always holds.";
    "rule.id", Name, "",
        "Stands in records and on block pages. Rules whose id starts with `mandatory-` must come before all others.";
    "rule.profiles", NAMES, "[]",
        "Who: by profile.";
    "rule.users", NAMES, "[]",
        "Who: by name.";
    "rule.groups", NAMES, "[]",
        "Who: by group.";
    "rule.networks", NAMES, "[]",
        "Where: by `[[network]]`.";
    "rule.devices", NAMES, "[]",
        "Where: by `[[device]]`.";
    "rule.categories", NAMES, "[]",
        "What: by category.";
    "rule.hosts", List(&Selector), "[]",
        "What: names with everything below them, addresses and networks.";
    "rule.methods", List(&Method), "[]",
        "What: methods of requests.";
    "rule.ports", List(&Ports), "[]",
        "What: ports.";
    "rule.extensions", List(&Extension), "[]",
        "What: ends of the path's last part.";
    "rule.content_types", List(&ContentType), "[]",
        "What: media types of responses.";
    "rule.periods", NAMES, "[]",
        "When: during one of these periods.";
    "rule.not_periods", NAMES, "[]",
        "When: during none of these periods.";
    "rule.action", Choice(Action::WORDS), "",
        "Let through; refuse; let through after a click on a page; or let through under the limits of this rule.";
    "rule.purpose", Choice(Purpose::WORDS), "",
        "Why the rule exists (LM-03).";
    "rule.words", Text(500), r#""""#,
        "What the block page says, for the person who meets it.";
    "rule.content_until", Optional(&Date), r#""""#,
        "For `allow` and `limit`: until the end of this day, at most twelve months ahead, records of what the rule lets through keep path and \
         search term (LM-04), under the rule's purpose; afterwards no more, by itself. Needs `content_reason`.";
    "rule.content_reason", Text(300), r#""""#,
        "Why content is kept: stands in the notice and in `weir check`. Needs `content_until`.";
    "rule.exempt_limits", Flag, "false",
        "No limit of person, group or category slows this traffic; it still shares the line.";
    "rule.down", CAP, r#""""#,
        "For `limit`: most that the rule's traffic of one person may receive.";
    "rule.up", CAP, r#""""#,
        "For `limit`: most that the rule's traffic of one person may send.";
    "rule.download_size", LARGEST, r#""""#,
        "Largest download, in place of the profile's.";
    "rule.upload_size", LARGEST, r#""""#,
        "Largest upload, in place of the profile's.";
};

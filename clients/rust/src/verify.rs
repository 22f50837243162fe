//! Verifies a journal: docs/hash.md describes what is hashed.

use std::collections::HashMap;
use std::time::Duration;

use prost_types::Timestamp;
use sha2::{Digest, Sha256};
use tonic::Status;

use crate::client::{Points, pb, retried};

const TIMEOUT: Duration = Duration::from_secs(5);

/// Reads an account, with everything booked that is due, and its entries up to then, the first one
/// first.
pub async fn read_journal(
    points: &Points,
    user_id: &str,
) -> Result<(pb::Account, Vec<pb::Entry>), Status> {
    let request = pb::GetOrCreateRequest {
        user_id: user_id.into(),
    };
    let made = retried(TIMEOUT, request, async |request| {
        points.clone().get_or_create(request).await
    })
    .await?;
    let account = made.into_inner().account.unwrap_or_default();
    let mut entries = Vec::new();
    let mut request = pb::ListEntriesRequest {
        user_id: user_id.into(),
        page_size: 1000,
        ..Default::default()
    };
    loop {
        let page = retried(TIMEOUT, request.clone(), async |request| {
            points.clone().list_entries(request).await
        })
        .await?
        .into_inner();
        entries.extend(page.entries);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    entries.retain(|entry| entry.sequence <= account.sequence);
    entries.reverse();
    Ok((account, entries))
}

/// Checks a whole journal, the first entry first: its numbers, what is personal, the hash chain, and
/// that it leads to the account. Says what is wrong.
pub fn verify_journal(account: &pb::Account, entries: &[pb::Entry]) -> Result<(), String> {
    let erases = |entry: &&pb::Entry| entry.kind() == pb::EntryKind::Erase;
    // What is personal in entries before the last erasure is gone: their digests stand for it.
    let erased = entries.iter().rfind(erases).map_or(0, |e| e.sequence);
    let mut hash = vec![0; 32];
    let mut left = (0, 0, 0, 0);
    for (entry, place) in entries.iter().zip(1..) {
        if entry.sequence != place || entry.user_id != account.user_id {
            return Err(format!("entry {place} is missing"));
        }
        let digest = personal_digest(&account.salt, entry);
        if place >= erased && digest != entry.personal_digest {
            return Err(format!("entry {place} has another personal digest"));
        }
        if erases(&entry) && hash != entry.erased_hash {
            return Err(format!("entry {place} erases another journal"));
        }
        hash = sha256(&[hash, content(entry)]);
        if hash != entry.hash {
            return Err(format!("entry {place} has another hash"));
        }
        left = (
            entry.sequence,
            entry.balance_after,
            entry.frozen_after,
            entry.debt_after,
        );
    }
    let figures = (
        account.sequence,
        account.balance,
        account.frozen,
        account.debt,
    );
    if left != figures {
        return Err(format!("the account is not as entry {} left it", left.0));
    }
    Ok(())
}

fn personal_digest(salt: &[u8], e: &pb::Entry) -> Vec<u8> {
    sha256(&[
        salt.to_vec(),
        field(1, e.user_id.as_bytes()),
        field(7, e.request_id.as_bytes()),
        field(8, &map(&e.metadata)),
        field(20, e.actor.as_bytes()),
        field(21, e.member.as_bytes()),
    ])
}

fn content(e: &pb::Entry) -> Vec<u8> {
    let allocation = |a: &pb::Allocation| [number(1, a.lot), number(2, a.points)].concat();
    let allocations: Vec<_> = e.allocations.iter().map(allocation).collect();
    let allocations = list(allocations.len(), allocations.iter().map(Vec::as_slice));
    [
        number(2, e.sequence),
        number(3, e.kind.into()),
        number(4, e.points),
        field(5, &allocations),
        number(6, micros(&e.create_time)),
        number(9, e.balance_after),
        number(10, e.frozen_after),
        number(11, micros(&e.expire_time)),
        number(12, e.priority.into()),
        number(14, e.refers_to),
        number(15, e.returned),
        field(16, &e.usage.as_ref().map(usage).unwrap_or_default()),
        field(17, e.caller.as_bytes()),
        field(18, &e.personal_digest),
        field(19, &e.fingerprint),
        field(22, e.category.as_bytes()),
        texts(23, &e.services),
        number(24, e.owed),
        number(25, e.uncovered),
        number(26, e.repaid),
        number(27, e.from_balance),
        field(28, e.cause.as_bytes()),
        texts(29, &e.alerts),
        number(30, e.debt_after),
        number(31, e.kept_open.into()),
        number(32, e.from_claim.into()),
        field(33, &e.policy.as_ref().map(policy).unwrap_or_default()),
        field(34, &e.erased_hash),
    ]
    .concat()
}

fn policy(p: &pb::Policy) -> Vec<u8> {
    use pb::policy::Rule;
    // The numbers of an alert and of a credit line are written even if they are 0.
    let always = |n: i64| field(1, n.to_string().as_bytes());
    let rule = match &p.rule {
        Some(Rule::Allowance(a)) => field(2, &allowance(a)),
        Some(Rule::Limit(l)) => field(3, &limit(l)),
        Some(Rule::Alert(a)) => field(4, &always(a.below)),
        Some(Rule::CreditLine(c)) => field(5, &always(c.points)),
        None => Vec::new(),
    };
    [field(1, p.name.as_bytes()), rule].concat()
}

fn allowance(a: &pb::Allowance) -> Vec<u8> {
    use pb::allowance::Expiration;
    let every = a.every.unwrap_or_default();
    let every = [number(1, every.count.into()), number(2, every.unit.into())].concat();
    let life = match &a.expiration {
        Some(Expiration::Periods(count)) => number(5, (*count).into()),
        Some(Expiration::Ttl(ttl)) => number(6, nanos(&Some(*ttl))),
        Some(Expiration::Never(never)) => number(7, (*never).into()),
        None => Vec::new(),
    };
    [
        number(1, a.points),
        field(2, &every),
        number(3, micros(&a.start_time)),
        field(4, a.time_zone.as_bytes()),
        life,
        number(8, a.priority.into()),
        field(9, a.category.as_bytes()),
        texts(10, &a.services),
        number(11, micros(&a.end_time)),
    ]
    .concat()
}

/// Without the member, which is the entry's.
fn limit(l: &pb::Limit) -> Vec<u8> {
    use pb::window::Span;
    let window = l.window.clone().unwrap_or_default();
    let span = match window.span {
        Some(Span::Calendar(unit)) => number(1, unit.into()),
        Some(Span::Total(total)) => number(2, total.into()),
        None => Vec::new(),
    };
    let window = [span, field(3, window.time_zone.as_bytes())].concat();
    [
        number(1, l.points),
        field(2, &window),
        number(4, l.each_member.into()),
        field(5, l.service.as_bytes()),
    ]
    .concat()
}

fn usage(u: &pb::PricedUsage) -> Vec<u8> {
    use pb::priced_usage::Amount;
    let (quantity, duration) = match &u.amount {
        Some(Amount::Quantity(quantity)) => (*quantity, 0),
        Some(Amount::Duration(length)) => (0, nanos(&Some(*length))),
        None => (0, 0),
    };
    [
        field(1, u.service.as_bytes()),
        number(2, quantity),
        number(3, duration),
        field(4, u.price_version.as_bytes()),
        field(5, &map(&u.meters)),
        field(6, &map(&u.attributes)),
        field(7, &u.calculation.as_ref().map(calculation).unwrap_or_default()),
    ]
    .concat()
}

fn calculation(c: &pb::PriceCalculation) -> Vec<u8> {
    let meter = |m: &pb::MeteredPoints| {
        [
            field(1, m.of.as_bytes()),
            number(2, m.amount),
            number(3, m.points),
            number(4, m.per),
            number(5, nanos(&m.unit)),
        ]
        .concat()
    };
    let meters: Vec<_> = c.meters.iter().map(meter).collect();
    [
        field(1, &map(&c.when)),
        number(2, c.fixed),
        field(3, &list(meters.len(), meters.iter().map(Vec::as_slice))),
        field(4, c.factor.as_bytes()),
        number(5, c.minimum),
        number(6, c.maximum),
    ]
    .concat()
}

fn nanos(length: &Option<prost_types::Duration>) -> i64 {
    length.map_or(0, |length| {
        length.seconds * 1_000_000_000 + i64::from(length.nanos)
    })
}

fn micros(time: &Option<Timestamp>) -> i64 {
    time.map_or(0, |time| {
        time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000
    })
}

fn number(tag: u8, value: i64) -> Vec<u8> {
    match value {
        0 => Vec::new(),
        _ => field(tag, value.to_string().as_bytes()),
    }
}

fn field(tag: u8, value: &[u8]) -> Vec<u8> {
    if value.is_empty() {
        return Vec::new();
    }
    [&[tag], &uint32(value.len())[..], value].concat()
}

fn map<V: ToString>(map: &HashMap<String, V>) -> Vec<u8> {
    let mut pairs: Vec<_> = map.iter().map(|(key, v)| (key, v.to_string())).collect();
    pairs.sort();
    let items = pairs
        .iter()
        .flat_map(|(key, value)| [key.as_bytes(), value.as_bytes()]);
    list(pairs.len(), items)
}

fn texts(tag: u8, items: &[String]) -> Vec<u8> {
    let items = list(items.len(), items.iter().map(String::as_bytes));
    field(tag, &items)
}

fn list<'a>(count: usize, items: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    if count == 0 {
        return Vec::new();
    }
    let mut list = uint32(count).to_vec();
    for item in items {
        list.extend(uint32(item.len()));
        list.extend(item);
    }
    list
}

fn uint32(length: usize) -> [u8; 4] {
    u32::try_from(length)
        .expect("a message of less than 4 GiB")
        .to_be_bytes()
}

fn sha256(parts: &[Vec<u8>]) -> Vec<u8> {
    Sha256::digest(parts.concat()).to_vec()
}

//! What every client in clients/ plays, and prints: the lines of clients/scenario.txt.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;
use tonic::Code;

use crate::client::{Client, Points, pb, retried, within};
use crate::refusal::{InsufficientPoints, reason};
use crate::top_up::{TopUps, store};
use crate::verify::{read_journal, verify_journal};

type Outcome = Result<(), Box<dyn Error>>;

const TIMEOUT: Duration = Duration::from_secs(5);
const SECONDS_A_DAY: i64 = 86_400;

pub async fn play(client: &Client) -> Outcome {
    let points = &client.points;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let user_id = format!("rust-{now}");
    recharge(points, &user_id).await?;
    consume_twice(points, &user_id).await?;
    be_refused(points, &user_id).await?;
    freeze_and_settle(points, &user_id).await?;
    settle_in_parts(points, &user_id).await?;
    read_statement(points, &user_id).await?;
    watch_until_deadline(points, &user_id).await?;
    apply(points, &user_id).await?;
    top_up_once(client, &user_id).await?;
    verify(points, &user_id).await
}

async fn recharge(points: &Points, user_id: &str) -> Outcome {
    let request = pb::GetOrCreateRequest {
        user_id: user_id.into(),
    };
    let made = retried(TIMEOUT, request, async |request| {
        points.clone().get_or_create(request).await
    })
    .await?
    .into_inner();
    println!(
        "create: created {}, balance {}",
        made.created,
        account(made.account).balance
    );

    let request = pb::RechargeRequest {
        user_id: user_id.into(),
        request_id: "order-1".into(),
        points: 100,
        expiration: Some(pb::recharge_request::Expiration::Ttl(
            prost_types::Duration {
                seconds: 30 * SECONDS_A_DAY,
                nanos: 0,
            },
        )),
        ..Default::default()
    };
    let answer = retried(TIMEOUT, request, async |request| {
        points.clone().recharge(request).await
    })
    .await?
    .into_inner();
    let entry = entry(answer.entry);
    let life_seconds = seconds(entry.expire_time) - seconds(entry.create_time);
    println!(
        "recharge: lot {} of {} for {} days, balance {}",
        entry.sequence,
        entry.points,
        life_seconds / SECONDS_A_DAY,
        account(answer.account).balance
    );
    Ok(())
}

async fn consume_twice(points: &Points, user_id: &str) -> Outcome {
    for step in ["consume", "retry"] {
        let request = pb::ConsumeRequest {
            user_id: user_id.into(),
            request_id: "job-1".into(),
            cost: Some(pb::consume_request::Cost::Points(30)),
            metadata: HashMap::from([("for".into(), "script".into()), ("by".into(), "Zoë".into())]),
            ..Default::default()
        };
        let answer = retried(TIMEOUT, request, async |request| {
            points.clone().consume(request).await
        })
        .await?
        .into_inner();
        let entry = entry(answer.entry);
        println!(
            "{step}: entry {} of {}, balance {}, replayed {}",
            entry.sequence,
            entry.points,
            account(answer.account).balance,
            answer.replayed
        );
    }
    Ok(())
}

async fn be_refused(points: &Points, user_id: &str) -> Outcome {
    let request = pb::ConsumeRequest {
        user_id: user_id.into(),
        request_id: "job-2".into(),
        cost: Some(pb::consume_request::Cost::Points(1_000)),
        ..Default::default()
    };
    let call = retried(TIMEOUT, request, async |request| {
        points.clone().consume(request).await
    });
    let Err(status) = call.await else {
        return Err("points were spent that are not there".into());
    };
    let Some(refusal) = InsufficientPoints::of(&status) else {
        return Err(status.into());
    };
    assert_eq!(refusal.balance + refusal.shortfall, refusal.required);
    println!(
        "refused: INSUFFICIENT_POINTS, balance {}, required {}, shortfall {}, {}",
        refusal.balance, refusal.required, refusal.shortfall, refusal.outcome
    );
    Ok(())
}

async fn freeze_and_settle(points: &Points, user_id: &str) -> Outcome {
    let request = pb::FreezeRequest {
        user_id: user_id.into(),
        request_id: "job-3".into(),
        cost: Some(pb::freeze_request::Cost::Points(50)),
        ..Default::default()
    };
    let frozen = retried(TIMEOUT, request, async |request| {
        points.clone().freeze(request).await
    })
    .await?
    .into_inner();
    let hold = frozen.hold.expect("a hold").number;
    let after = account(frozen.account);
    println!(
        "freeze: hold {hold}, balance {}, frozen {}",
        after.balance, after.frozen
    );

    let request = pb::SettleRequest {
        user_id: user_id.into(),
        request_id: "job-3-done".into(),
        hold,
        cost: Some(pb::settle_request::Cost::Points(45)),
        ..Default::default()
    };
    let settled = retried(TIMEOUT, request, async |request| {
        points.clone().settle(request).await
    })
    .await?
    .into_inner();
    let entry = entry(settled.entry);
    let after = account(settled.account);
    println!(
        "settle: {} spent, {} returned, balance {}, frozen {}",
        entry.points, entry.returned, after.balance, after.frozen
    );
    Ok(())
}

async fn settle_in_parts(points: &Points, user_id: &str) -> Outcome {
    let request = pb::FreezeRequest {
        user_id: user_id.into(),
        request_id: "job-4".into(),
        cost: Some(pb::freeze_request::Cost::Points(10)),
        ..Default::default()
    };
    let frozen = retried(TIMEOUT, request, async |request| {
        points.clone().freeze(request).await
    })
    .await?
    .into_inner();
    let hold = frozen.hold.expect("a hold in the answer").number;

    let request = pb::SettleRequest {
        user_id: user_id.into(),
        request_id: "job-4-part".into(),
        hold,
        cost: Some(pb::settle_request::Cost::Points(4)),
        keep_open: true,
        ..Default::default()
    };
    let part = retried(TIMEOUT, request, async |request| {
        points.clone().settle(request).await
    })
    .await?
    .into_inner();

    let request = pb::ExtendHoldRequest {
        user_id: user_id.into(),
        request_id: "job-4-more".into(),
        hold,
        more: Some(pb::extend_hold_request::More::Points(5)),
        ..Default::default()
    };
    let extended = retried(TIMEOUT, request, async |request| {
        points.clone().extend_hold(request).await
    })
    .await?
    .into_inner();

    let request = pb::SettleRequest {
        user_id: user_id.into(),
        request_id: "job-4-done".into(),
        hold,
        ..Default::default()
    };
    let settled = retried(TIMEOUT, request, async |request| {
        points.clone().settle(request).await
    })
    .await?
    .into_inner();
    let part = entry(part.entry);
    let after = account(settled.account);
    println!(
        "parts: {} spent, kept open {}, extended to {}, {} spent, balance {}, frozen {}",
        part.points,
        part.kept_open,
        extended.hold.expect("a hold in the answer").points,
        entry(settled.entry).points,
        after.balance,
        after.frozen
    );
    Ok(())
}

async fn read_statement(points: &Points, user_id: &str) -> Outcome {
    let request = pb::ListEntriesRequest {
        user_id: user_id.into(),
        page_size: 3,
        ..Default::default()
    };
    let page = retried(TIMEOUT, request, async |request| {
        points.clone().list_entries(request).await
    })
    .await?
    .into_inner();
    let lines: Vec<String> = page
        .entries
        .iter()
        .map(|entry| {
            let kind = entry.kind().as_str_name().trim_start_matches("ENTRY_KIND_");
            format!("{} {kind} {}", entry.sequence, entry.points)
        })
        .collect();
    println!(
        "statement: {}, more {}",
        lines.join(", "),
        !page.next_page_token.is_empty()
    );
    Ok(())
}

async fn watch_until_deadline(points: &Points, user_id: &str) -> Outcome {
    let request = pb::WatchAccountRequest {
        user_id: user_id.into(),
    };
    let timeout = Duration::from_secs(1);
    let mut stream = points
        .clone()
        .watch_account(within(timeout, request))
        .await?
        .into_inner();
    loop {
        match stream.message().await {
            Ok(Some(shown)) => println!("watch: balance {}", account(shown.account).balance),
            Ok(None) => return Err("the stream ended before its deadline".into()),
            Err(status) if status.code() == Code::DeadlineExceeded => break,
            Err(status) => return Err(status.into()),
        }
    }
    println!("deadline: DEADLINE_EXCEEDED");
    Ok(())
}

async fn apply(points: &Points, user_id: &str) -> Outcome {
    let requests = tokio_stream::iter(operations(user_id));
    let mut stream = points
        .clone()
        .apply(within(TIMEOUT, requests))
        .await?
        .into_inner();
    let mut told = Vec::new();
    while let Some(answer) = stream.message().await? {
        let result = answer.result.and_then(|result| result.result);
        told.push(format!("{} {}", answer.tag, result_text(result)));
    }
    println!("apply: {}", told.join(", "));
    Ok(())
}

/// As after a crash before its cursor was stored, the second consumer begins where the first one did.
async fn top_up_once(client: &Client, user_id: &str) -> Outcome {
    let folder = std::env::temp_dir().join(format!("points-{user_id}"));
    fs::create_dir(&folder)?;
    let cursor_file = folder.join("cursor");
    let consumer = TopUps {
        client,
        cursor_file: &cursor_file,
        user_id_prefix: user_id,
    };
    consumer.run(|_| ControlFlow::Break(())).await?;
    let cursor = fs::read_to_string(&cursor_file)?;
    fall_below(client, user_id).await?;
    for step in ["top up", "again"] {
        store(&cursor_file, &cursor)?;
        consumer
            .run(|answers| {
                let Some(answer) = answers.first() else {
                    return ControlFlow::Continue(());
                };
                let made = entry(answer.entry.clone());
                println!(
                    "{step}: entry {} of {}, balance {}, replayed {}",
                    made.sequence,
                    made.points,
                    account(answer.account.clone()).balance,
                    answer.replayed
                );
                ControlFlow::Break(())
            })
            .await?;
    }
    fs::remove_dir_all(folder)?;
    Ok(())
}

async fn fall_below(client: &Client, user_id: &str) -> Outcome {
    let request = pb::PutPolicyRequest {
        user_id: user_id.into(),
        request_id: "policy-1".into(),
        policy: Some(pb::Policy {
            name: "low".into(),
            rule: Some(pb::policy::Rule::Alert(pb::Alert { below: 10 })),
        }),
        ..Default::default()
    };
    retried(TIMEOUT, request, async |request| {
        client.policies.clone().put_policy(request).await
    })
    .await?;
    let request = pb::ConsumeRequest {
        user_id: user_id.into(),
        request_id: "job-5".into(),
        cost: Some(pb::consume_request::Cost::Points(10)),
        ..Default::default()
    };
    let answer = retried(TIMEOUT, request, async |request| {
        client.points.clone().consume(request).await
    })
    .await?
    .into_inner();
    let entry = entry(answer.entry);
    println!(
        "alert: entry {}, balance {}, {}",
        entry.sequence,
        entry.balance_after,
        entry.alerts.join(", ")
    );
    Ok(())
}

async fn verify(points: &Points, user_id: &str) -> Outcome {
    let (account, entries) = read_journal(points, user_id).await?;
    verify_journal(&account, &entries)?;
    println!("verify: {} entries, chain intact", entries.len());
    Ok(())
}

fn operations(user_id: &str) -> Vec<pb::ApplyRequest> {
    use pb::operation::Operation;
    let request = |tag: &str, operation| pb::ApplyRequest {
        tag: tag.into(),
        operation: Some(pb::Operation {
            operation: Some(operation),
        }),
    };
    vec![
        request(
            "a",
            Operation::Recharge(pb::RechargeRequest {
                user_id: user_id.into(),
                request_id: "apply-a".into(),
                points: 10,
                ..Default::default()
            }),
        ),
        request(
            "b",
            Operation::Consume(pb::ConsumeRequest {
                user_id: user_id.into(),
                request_id: "apply-b".into(),
                cost: Some(pb::consume_request::Cost::Points(5)),
                ..Default::default()
            }),
        ),
        request(
            "c",
            Operation::Release(pb::ReleaseRequest {
                user_id: user_id.into(),
                request_id: "apply-c".into(),
                hold: 99,
                ..Default::default()
            }),
        ),
    ]
}

fn result_text(result: Option<pb::operation_result::Result>) -> String {
    use pb::operation_result::Result;
    match result {
        Some(Result::Recharge(answer)) => format!("balance {}", account(answer.account).balance),
        Some(Result::Consume(answer)) => format!("balance {}", account(answer.account).balance),
        Some(Result::Error(error)) => reason(&error),
        other => panic!("unexpected {other:?}"),
    }
}

fn account(account: Option<pb::Account>) -> pb::Account {
    account.expect("an account in the answer")
}

fn entry(entry: Option<pb::Entry>) -> pb::Entry {
    entry.expect("an entry in the answer")
}

fn seconds(time: Option<Timestamp>) -> i64 {
    time.expect("a time in the entry").seconds
}

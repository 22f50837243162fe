//! An auto top-up: recharges accounts that fall below the number of their alert "low".

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use tonic::Status;

use crate::client::{Client, is_transient, pb, retried};

const POINTS: i64 = 50;
const TIMEOUT: Duration = Duration::from_secs(5);

pub struct TopUps<'a> {
    pub client: &'a Client,
    /// It goes on from the cursor in this file; without the file it begins now.
    pub cursor_file: &'a Path,
    pub user_id_prefix: &'a str,
}

impl TopUps<'_> {
    /// `told` gets what each message led to, once its cursor is stored: mostly nothing, at least
    /// every second.
    ///
    /// If the server or its database goes away, it begins again where the file says. What it did
    /// since changes nothing then: the request ids of `top_up` are the same.
    pub async fn run(
        &self,
        mut told: impl FnMut(&[pb::RechargeResponse]) -> ControlFlow<()>,
    ) -> Result<(), Box<dyn Error>> {
        loop {
            let Err(error) = self.follow(&mut told).await else {
                return Ok(());
            };
            if !error.downcast_ref::<Status>().is_some_and(is_transient) {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn follow(
        &self,
        told: &mut impl FnMut(&[pb::RechargeResponse]) -> ControlFlow<()>,
    ) -> Result<(), Box<dyn Error>> {
        // Without a deadline, which would end the stream.
        let request = pb::StreamEntriesRequest {
            cursor: stored(self.cursor_file)?,
            user_id_prefix: self.user_id_prefix.into(),
            ..Default::default()
        };
        let mut ledger = self.client.ledger.clone();
        let mut messages = ledger.stream_entries(request).await?.into_inner();
        while let Some(message) = messages.message().await? {
            let mut answers = Vec::new();
            for entry in &message.entries {
                if entry.alerts.iter().any(|name| name == "low") {
                    answers.push(self.top_up(entry).await?);
                }
            }
            store(self.cursor_file, &message.cursor)?;
            if told(&answers).is_break() {
                return Ok(());
            }
        }
        Err(Status::unavailable("the stream ended").into())
    }

    /// The request id is made from the entry, so that the same entry again changes nothing. The hash
    /// is part of it, since a failover may lose an entry and give its number to another one.
    async fn top_up(&self, entry: &pb::Entry) -> Result<pb::RechargeResponse, Status> {
        let hash: String = entry.hash[..8].iter().map(|b| format!("{b:02x}")).collect();
        let request = pb::RechargeRequest {
            user_id: entry.user_id.clone(),
            request_id: format!("topup-{}-{hash}", entry.sequence),
            points: POINTS,
            ..Default::default()
        };
        let answer = retried(TIMEOUT, request, async |request| {
            self.client.points.clone().recharge(request).await
        });
        Ok(answer.await?.into_inner())
    }
}

fn stored(cursor_file: &Path) -> io::Result<String> {
    fs::read_to_string(cursor_file).or_else(|error| match error.kind() {
        ErrorKind::NotFound => Ok(String::new()),
        _ => Err(error),
    })
}

/// Replaces a file by renaming, so that there is no half of it after a crash.
pub fn store(cursor_file: &Path, cursor: &str) -> io::Result<()> {
    let next = cursor_file.with_extension("new");
    let mut file = File::create(&next)?;
    file.write_all(cursor.as_bytes())?;
    file.sync_all()?;
    fs::rename(next, cursor_file)
}

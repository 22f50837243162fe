//! Plays the scenario of all clients against a running Points server: cargo run -- [HOST:PORT]

mod client;
mod refusal;
mod scenario;
mod top_up;
mod verify;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:50051");
    let client = client::dial(address, std::env::var("POINTS_TOKEN").ok())?;
    scenario::play(&client).await
}

//! A line between agent and server that can be cut without either noticing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::copy;
use tokio::net::{TcpListener, TcpStream};

/// A line that swallows what is sent once it is told to: nobody is told that anything is wrong.
pub struct Line {
    pub address: SocketAddr,
    pub swallow: Arc<AtomicBool>,
}

impl Line {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let swallow = Arc::new(AtomicBool::new(false));
        let swallowing = swallow.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(server).await.unwrap();
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = far.into_split();
                tokio::spawn(relay(near_read, far_write, swallowing.clone()));
                tokio::spawn(relay(far_read, near_write, swallowing.clone()));
            }
        });
        Self { address, swallow }
    }
}

async fn relay(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    swallow: Arc<AtomicBool>,
) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut buffer = vec![0; 65_536];
    loop {
        match from.read(&mut buffer).await {
            Ok(n) if n > 0 => {
                if swallow.load(Ordering::Relaxed) {
                    let _ = copy(&mut from, &mut tokio::io::sink()).await;
                    std::future::pending::<()>().await;
                }
                if to.write_all(&buffer[..n]).await.is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}

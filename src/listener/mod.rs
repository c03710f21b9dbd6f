//! Addresses that are listened on: taken here, so that whoever cannot have one is told who has it; and served, plainly or
//! with TLS.
//!
//! What is served is handed in; nothing here knows a path.

mod linger;
mod serve;
pub mod tls;

pub use serve::Answer;

use crate::task::{Shutdown, Supervisor};
use axum::serve::ListenerExt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use tokio::net::TcpListener;

/// Why an address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}{holder}")]
pub struct Refused {
    /// The address.
    pub address: SocketAddr,
    /// `: PROGRAM (pid N) holds it`, where that can be seen; else empty.
    pub holder: String,
    /// What the system says.
    #[source]
    pub source: io::Error,
}

impl Refused {
    /// Whether somebody has it; else it is no address of ours, or we may not have it.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}

/// Takes an address; port 0 takes a free one. Answers the address that was taken.
///
/// # Errors
/// `Refused` when it cannot be had.
pub async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Refused> {
    let refused = |source| Refused {
        address,
        holder: holder(address.port()),
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((listener, bound))
}

/// Where a listener is reached from its own machine: one on all addresses, over loopback.
#[must_use]
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Serves a listener until `stop`; connections that are open then finish the request they are at.
pub async fn serve(listener: TcpListener, answer: impl Answer, supervisor: Supervisor, stop: Shutdown) {
    // Small answers must not wait for more.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    serve::serve(listener, |_| {}, answer, supervisor, stop).await;
}

/// `: PROGRAM (pid N) holds it`, where the system lets us see that.
#[must_use]
pub fn holder(port: u16) -> String {
    let found = std::fs::read_to_string("/proc/net/tcp")
        .ok()
        .and_then(|table| listening_inode(&table, port));
    let process = found.and_then(|inode| process_with_socket(&inode));
    process.map_or_else(String::new, |(pid, name)| format!(": `{name}` (pid {pid}) holds it"))
}

/// The socket that listens on a port, in the form of the kernel's table.
fn listening_inode(table: &str, port: u16) -> Option<String> {
    let wanted = format!(":{port:04X}");
    let lines = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut listening = lines.filter(|f| f.len() > 9 && f[1].ends_with(&wanted) && f[3] == "0A");
    listening.next().map(|fields| fields[9].to_owned())
}

fn process_with_socket(inode: &str) -> Option<(u32, String)> {
    let wanted = PathBuf::from(format!("socket:[{inode}]"));
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    pids.into_iter().find_map(|pid| {
        let mut files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
        files.find(|f| std::fs::read_link(f.path()).is_ok_and(|target| target == wanted))?;
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Some((pid, name.trim().to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_tells_who_listens() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:1B9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1\n   1: 0100007F:1B9F 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 4343 1\n";
        assert_eq!(listening_inode(table, 7070).as_deref(), Some("4242"));
        assert_eq!(listening_inode(table, 7071), None);
    }

    #[test]
    fn a_listener_on_all_addresses_is_reached_over_loopback() {
        for (bound, expect) in [
            ("0.0.0.0:7070", "127.0.0.1:7070"),
            ("[::]:7070", "[::1]:7070"),
            ("10.0.0.5:1", "10.0.0.5:1"),
        ] {
            let address = bound.parse().expect("an address");
            assert_eq!(reachable(address).to_string(), expect);
        }
    }

    #[tokio::test]
    async fn an_address_that_is_taken_tells_who_has_it() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (_held, address) = bind(any).await.expect("a free port");
        let refused = bind(address).await.expect_err("taken");
        assert!(refused.is_taken() && refused.address == address);
        let own = format!("(pid {})", std::process::id());
        assert!(refused.holder.contains(&own), "{refused}");
    }
}

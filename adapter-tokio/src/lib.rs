//! API skeleton.
#![allow(clippy::todo, unused, missing_docs)]
pub use peer_sender_driver::*;
/// Binds a node to a UDP address on the current tokio runtime. NOTE for CLI authors: the final form is `Node::bind(addr, config).await -> Result<Node<P>, BindError>`.
pub async fn bind<P: PeerId>(addr: std::net::SocketAddr, config: NodeConfig) -> std::io::Result<Node<P>> { todo!() }

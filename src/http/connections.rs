//! The loop that accepts connections. axum's own has neither a limit of connections nor of how long a header may take, so
//! this one stands on hyper; requests go to the router as axum would hand them over.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::config::ConnectionLimits;

/// How long the loop waits after an error of the system's, such as too many open files, before it accepts again.
const ACCEPT_PAUSE_MS: u64 = 200;

/// Serves `router` on `listener` until `shutdown` resolves. Then idle connections close, and open requests may finish for at
/// most [`ConnectionLimits::drain`]. Dropping the future closes every connection at once.
///
/// # Errors
/// The listener failed.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let connections = Arc::new(Semaphore::new(limits.connections_max as usize));
    let draining = CancellationToken::new();
    let closing = CancellationToken::new();
    // Dropped with this future, however that happens.
    let _closes = closing.clone().drop_guard();
    let mut shutdown = pin!(shutdown);
    let mut full = false;
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &connections, &mut full) => accepted?,
            () = &mut shutdown => break,
        };
        let Some((stream, address, place)) = accepted else { continue };
        let connection = Connection { router: router.clone(), address, limits, draining: draining.clone() };
        let closed = closing.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = connection.serve(stream) => {}
                () = closed.cancelled() => {}
            }
            drop(place);
        });
    }
    // Whoever connects from now on is refused rather than left waiting.
    drop(listener);
    draining.cancel();
    // All places are free once every connection has closed.
    let drained = connections.acquire_many(limits.connections_max);
    if tokio::time::timeout(limits.drain, drained).await.is_err() {
        let drain_ms = limits.drain.as_millis();
        tracing::warn!("requests were still open {drain_ms} ms after shutdown began; closing them");
    }
    Ok(())
}

/// The next connection, once there is a place for it; none where it broke off before it began. `full` keeps the log to one
/// line however long all places are taken.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
    full: &mut bool,
) -> io::Result<Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)>> {
    let place = match Arc::clone(connections).try_acquire_owned() {
        Ok(place) => {
            *full = false;
            place
        }
        Err(_) => {
            if !std::mem::replace(full, true) {
                tracing::warn!("the limit of connections is reached; more wait until others close (--connections-max)");
            }
            Arc::clone(connections).acquire_owned().await.map_err(io::Error::other)?
        }
    };
    match listener.accept().await {
        Ok((stream, address)) => Ok(Some((stream, address, place))),
        Err(err) => {
            let of_the_peer = matches!(
                err.kind(),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
            );
            if !of_the_peer {
                tracing::error!(%err, "failed to accept a connection");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            }
            Ok(None)
        }
    }
}

/// What one connection needs.
struct Connection {
    router: Router,
    address: SocketAddr,
    limits: ConnectionLimits,
    draining: CancellationToken,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        // Without it a small answer waits for the client's delayed acknowledgement: 41 calls/s instead of 412 were measured.
        if let Err(err) = stream.set_nodelay(true) {
            tracing::debug!(%err, "failed to set TCP_NODELAY");
        }
        let phase = Arc::new(Phase::new());
        let io = TokioIo::new(Watched { stream, phase: Arc::clone(&phase) });
        let answering = Arc::clone(&phase);
        let service = service_fn(move |request: Request<Incoming>| {
            answering.set(At::Answering);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(self.address));
            let answer = self.router.clone().call(request);
            let answering = Arc::clone(&answering);
            async move {
                let answer = answer.await;
                answering.set(At::Waiting(Instant::now()));
                answer as Result<_, Infallible>
            }
        });
        // hyper's own header timeout also counts the time between two requests, in which an agent thinks.
        let mut connection = pin!(http1::Builder::new().header_read_timeout(None).serve_connection(io, service));
        let mut patience = pin!(Patience::new(phase, self.limits));
        let mut drained = false;
        loop {
            tokio::select! {
                biased;
                served = connection.as_mut() => {
                    if let Err(err) = served {
                        tracing::debug!(%err, "a connection broke off");
                    }
                    return;
                }
                () = patience.as_mut() => {
                    tracing::debug!(address = %self.address, "closed a connection that was idle or stalled for too long");
                    return;
                }
                () = self.draining.cancelled(), if !drained => {
                    drained = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// What a connection is doing, and since when.
#[derive(Debug, Clone, Copy)]
enum At {
    /// Nothing of the next request has arrived; the last answer may still be on its way out.
    Waiting(Instant),
    /// A header has begun to arrive.
    Header(Instant),
    /// The request is with the router, which limits the body and the call itself.
    Answering,
}

/// [`At`], shared by the connection's parts, which all run in one task: there is never a wait for the lock.
#[derive(Debug)]
struct Phase(Mutex<At>);

impl Phase {
    fn new() -> Self {
        // Who connects has something to say, so the first header's time runs from here.
        Self(Mutex::new(At::Header(Instant::now())))
    }

    fn set(&self, at: At) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    fn bytes_arrived(&self) {
        let mut at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*at, At::Waiting(_)) {
            *at = At::Header(Instant::now());
        }
    }

    /// When the connection has taken too long, if it goes on as now.
    fn deadline(&self, limits: &ConnectionLimits) -> Option<Instant> {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            At::Waiting(since) => since.checked_add(limits.idle),
            At::Header(since) => since.checked_add(limits.header_read),
            At::Answering => None,
        }
    }
}

/// Resolves once the connection has taken too long. Polled after the connection itself, so it always knows its phase.
struct Patience {
    phase: Arc<Phase>,
    limits: ConnectionLimits,
    sleep: Pin<Box<Sleep>>,
}

impl Patience {
    fn new(phase: Arc<Phase>, limits: ConnectionLimits) -> Self {
        let sleep = Box::pin(tokio::time::sleep(limits.header_read));
        Self { phase, limits, sleep }
    }
}

impl Future for Patience {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // Nothing runs out while a request is answered; when that is over, the connection's task is polled again.
        let Some(deadline) = self.phase.deadline(&self.limits) else { return Poll::Pending };
        // A timer that fires too early is set anew then, which is cheaper than setting it anew with every request.
        if deadline < self.sleep.deadline() {
            self.sleep.as_mut().reset(deadline);
        }
        while self.sleep.as_mut().poll(context).is_ready() {
            if self.sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

/// A socket that tells when bytes arrive.
struct Watched {
    stream: TcpStream,
    phase: Arc<Phase>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.phase.bytes_arrived();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

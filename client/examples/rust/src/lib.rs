//! What the programs in bin/ share: where the gateway is, and how they end.

use std::env;
use std::error::Error;
use std::future::Future;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

pub mod collector;

/// Generated from proto/sluice/v1/gateway.proto.
pub mod pb {
    tonic::include_proto!("sluice.v1");
}

use pb::gateway_client::GatewayClient;

pub type Failure = Box<dyn Error>;

/// A deadline covers retries and failover too, and reaches the upstream. Never go without.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub fn variable(name: &str, otherwise: &str) -> String {
    env::var(name).unwrap_or_else(|_| otherwise.to_string())
}

pub fn server() -> String {
    variable("SLUICE_SERVER", "127.0.0.1:8443")
}

/// A client without TLS; tls.rs has one with.
pub async fn connect() -> Result<GatewayClient<Channel>, Failure> {
    // Lazy: a gateway that is not there is the first call's status, as in any client.
    Ok(GatewayClient::new(Endpoint::from_shared(format!("http://{}", server()))?.connect_lazy()))
}

/// The program's arguments, after the first `skip`.
pub fn question(otherwise: &str, skip: usize) -> String {
    let words: Vec<String> = env::args().skip(1 + skip).collect();
    if words.is_empty() {
        otherwise.to_string()
    } else {
        words.join(" ")
    }
}

pub fn user(text: &str) -> pb::Message {
    pb::Message { role: pb::Role::User.into(), text: text.to_string(), ..Default::default() }
}

/// A request of one question.
pub fn ask(question: &str) -> pb::ChatRequest {
    pb::ChatRequest { model: variable("SLUICE_MODEL", "chat"), messages: vec![user(question)], ..Default::default() }
}

/// A call of that request. set_timeout tells the server; see bin/deadline.rs.
pub fn call(request: pb::ChatRequest, deadline: Duration) -> Request<pb::ChatRequest> {
    let mut request = Request::new(request);
    request.set_timeout(deadline);
    request
}

pub fn show(text: &str) {
    print!("{text}");
    let _ = std::io::stdout().flush();
}

pub fn print_end(end: &pb::End, text: &str) {
    let outcome = end.outcome().as_str_name().trim_start_matches("OUTCOME_").to_lowercase();
    let (attempts, characters) = (end.attempts.len(), text.chars().count());
    println!("end: {outcome}, served by {}, {attempts} attempts, {characters} characters", end.served_by);
    if end.outcome() == pb::Outcome::Fallback {
        println!("a fallback, because: {}", end.error.clone().unwrap_or_default().message);
    }
}

/// A code as gRPC's documents write it.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Runs a program; its failure is one line and exit status 1.
pub async fn run(program: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    let Err(failure) = program.await else { return ExitCode::SUCCESS };
    match failure.downcast_ref::<Status>() {
        Some(status) => eprintln!("{}: {}", code_name(status.code()), status.message()),
        None => eprintln!("error: {failure}"),
    }
    ExitCode::FAILURE
}

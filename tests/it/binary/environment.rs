//! Environment variables, health checks and the generated admin key.

use std::net::TcpListener;

use serde_json::json;

use super::{Served, explaind, run, text};
use crate::support::{golden_folder, wait_until_blocking};

#[test]
fn variables_of_a_kubernetes_service_are_ignored() {
    let good = explaind()
        .env("EXPLAIND_PORT", "tcp://10.0.0.1:8080")
        .env("EXPLAIND_PORT_8080_TCP_ADDR", "10.0.0.1")
        .env("EXPLAIND_SERVICE_HOST", "10.0.0.1")
        .arg("check-config")
        .output()
        .unwrap();
    assert!(good.status.success(), "{}", text(&good.stderr));
    let unknown = explaind().env("EXPLAIND_SERVER__PROT", "1").arg("check-config").output();
    assert!(text(&unknown.unwrap().stderr).contains("server.prot"));
}

#[test]
fn every_documented_variable_reaches_its_setting() {
    let document = text(&run(&["settings"]).stdout);
    let variables: Vec<&str> =
        document.split('`').filter(|part| part.starts_with("EXPLAIND_")).collect();
    assert!(variables.len() > 50, "{} variables", variables.len());
    // No setting is a list of lists.
    let given = variables.iter().map(|variable| (variable, "[[]]"));
    let checked = explaind().envs(given).arg("check-config").output().unwrap();
    let errors = text(&checked.stderr);
    for variable in variables {
        let path = variable.trim_start_matches("EXPLAIND_").replace("__", ".").to_lowercase();
        let of_path = |line: &str| {
            let rest = line.trim_start_matches("error: ").strip_prefix(&path);
            rest.is_some_and(|rest| rest.starts_with([':', '.']))
        };
        assert!(errors.lines().any(of_path), "{variable}: no error of {path} in {errors}");
    }
}

#[test]
fn the_port_variable_is_used_by_the_service_and_the_health_check() {
    let port = TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port().to_string();
    let with_port = || {
        let mut command = explaind();
        command.current_dir(std::env::temp_dir()).env("PORT", &port);
        command
    };
    let healthy = || with_port().arg("healthcheck").status().unwrap().success();
    assert!(!healthy());
    let served = Served::of(with_port());
    assert_eq!(served.url, format!("http://0.0.0.0:{port}"));
    assert!(healthy());
    let mut elsewhere = with_port();
    elsewhere.args(["--listen", "127.0.0.1:0"]);
    assert!(Served::of(elsewhere).url.starts_with("http://127.0.0.1:"));
}

#[test]
fn the_health_check_has_a_timeout() {
    // Accepts connections but never responds.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let checked = run(&["healthcheck", "--address", &address, "--timeout-ms", "50"]);
    assert!(!checked.status.success());
    assert!(text(&checked.stderr).contains("no answer within 50 ms"), "{}", text(&checked.stderr));
}

#[test]
fn models_are_changed_with_the_generated_admin_key() {
    let served = Served::start();
    let log = served.log();
    let line = log.lines().find_map(|line| line.strip_prefix("admin key until the service ends: "));
    let key = line.expect("a key").to_owned();
    assert!(log.contains("memory_mebibytes"), "detected resources are logged: {log}");
    let put = |key: &str| {
        let request = ureq::put(format!("{}/models/tiny", served.url));
        let request = request.header("Authorization", format!("Bearer {key}"));
        let reply = request.send_json(json!({"source": golden_folder("bert-tiny")}));
        reply.map(|reply| reply.status().as_u16())
    };
    assert!(matches!(put("0123456789abcdef"), Err(ureq::Error::StatusCode(401))));
    assert_eq!(put(&key).unwrap(), 202);
    wait_until_blocking(|| ureq::get(format!("{}/models/tiny", served.url)).call().is_ok());
    assert_eq!(served.log().matches(&key).count(), 1, "the key is logged once");
    // No key is generated if one is configured.
    let mut configured = explaind();
    configured.args(["--listen", "127.0.0.1:0"]).env("EXPLAIND_SERVER__ADMIN_KEY", &key);
    assert!(!Served::of(configured).log().contains("admin key"));
}

//! Runs that are repeated, or stop at the first failure, on the box that `on_a_box` starts.

use std::fs;
use std::path::Path;

use crate::on_a_box::{copy, run};
use crate::support::{PRIVILEGED, Scratch};

/// Every repetition is compared, and every verdict counted.
pub(crate) fn repeated(kubeconfig: &Path, recorded: &Scratch) {
    let scratch = copy(recorded);
    let ran = run(
        &scratch,
        kubeconfig,
        &["--repeat", "2", "-v", "--json", "report.json"],
    );
    ran.passes(&[
        "passed   pod-security/privileged  2 × 2 = 4 cells\n",
        "\nrepeated 2 times: each of 4 cells gave one verdict\n",
        "2 clusters; ",
    ]);
    let steps = ran
        .err
        .matches(" in enforce: privileged-pod: denied by pod-security (403, ");
    assert_eq!(steps.count(), 2, "{ran:#?}");
    let requests = ran.err.lines().filter(|line| {
        line.contains(" in enforce: privileged-pod: > POST /api/v1/namespaces/gauntlet-")
            && line.contains("/pods?fieldValidation=Strict (403, ")
    });
    assert_eq!(requests.count(), 2, "{ran:#?}");
    let report = fs::read_to_string(scratch.path("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["repeated"]["times"], 2);
    let cell = &report["repeated"]["cells"][2];
    assert_eq!(
        (&cell["step"], &cell["world"], &cell["verdicts"]),
        (
            &"privileged-pod".into(),
            &"bare".into(),
            &serde_json::json!({ "admitted": 2 })
        )
    );
    assert!(report["interrupted"].is_null(), "{report}");
}

/// One world at a time: after the first failure there is no second one.
pub(crate) fn stopped(kubeconfig: &Path, _: &Scratch) {
    let scratch = Scratch::new();
    scratch.write(
        "pod-security/privileged",
        &PRIVILEGED.replace("bare: admitted", "bare: invalid"),
    );
    let ran = run(&scratch, kubeconfig, &["--fail-fast", "--parallel", "1"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let texts = [
        "\nskipped: 1 world: a world before it is not as expected",
        "1 scenario, 4 cells: 1 passed, 1 failed, 2 skipped",
    ];
    ran.says_in_order(&ran.out, &texts);
}

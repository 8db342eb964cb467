//! The program itself, started where it must do nothing.

use std::process::Command;

#[test]
fn the_initrd_refuses_to_run_as_anything_but_pid_1() {
    let output = Command::new(env!("CARGO_BIN_EXE_orlop-initrd"))
        .output()
        .expect("it was built");
    assert!(!output.status.success());
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: cannot run orlop-initrd as an ordinary program: it is PID 1 of the initrd\n"
    );
}

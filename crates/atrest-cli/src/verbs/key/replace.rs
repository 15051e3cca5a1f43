//! A keyring under another root: the policy's line, too.

use atrest_engine::policy::Policy;

use crate::output::warn;
use crate::session::Unopened;

/// Writes the root into the policy, or says what to write there. Gives whether the policy
/// names it now.
pub(super) fn policy_line(unopened: &Unopened, root: &str, edit: bool) -> bool {
    if unopened.policy.keys.root_source() == root {
        return true;
    }
    let by_hand = format!("root = {}", quoted(root));
    let path = unopened.path.display();
    if !edit {
        eprintln!("note: now write into [keys] of {path}: {by_hand}");
        return false;
    }
    match Policy::write_root(&unopened.path, root) {
        Ok(()) => {
            eprintln!("note: wrote {by_hand} into {path}");
            true
        }
        Err(error) => {
            warn(&format!(
                "the keyring has its new root, and the policy could not be changed ({error}); write into its [keys]: {by_hand}"
            ));
            false
        }
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string().trim().to_owned()
}

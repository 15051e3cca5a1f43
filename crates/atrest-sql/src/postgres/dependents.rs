//! What hangs on a column: views, functions, policies, publications, triggers,
//! rules.

use atrest_engine::target::TargetError;

use super::preflight::Look;

impl Look<'_> {
    /// Views, functions, policies, publications.
    pub(super) async fn dependents(&mut self) -> Result<(), TargetError> {
        let views = self
            .ask(
                "SELECT DISTINCT r.ev_class::regclass::text, true FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid \
                 WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass \
                 AND d.refobjid = $1::bigint::oid AND d.refobjsubid = $2 AND r.ev_class <> $1::bigint::oid",
            )
            .await?;
        for (view, _) in views {
            let name = &self.name;
            if self.alters {
                self.found.refuse(
                    format!("view {view} depends on {name}, whose type must change"),
                    "drop the view, run with --apply-schema, and make it again",
                );
            } else {
                self.found.warn(
                    format!("view {view} shows tokens of {name}"),
                    "have its readers open the tokens",
                );
            }
        }
        let functions = self
            .ask(
                "SELECT DISTINCT d.objid::regprocedure::text, true FROM pg_depend d \
                 WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass \
                 AND d.refobjid = $1::bigint::oid AND d.refobjsubid = $2",
            )
            .await?;
        for (function, _) in functions {
            let what = format!("function {function} uses {}", self.name);
            if self.alters {
                self.found.refuse(
                    what,
                    "drop the function, run with --apply-schema, and make it again",
                );
            } else {
                self.found
                    .warn(what, "make sure that it does not need the value in clear");
            }
        }
        let policies = self
            .ask(
                "SELECT DISTINCT p.polname::text, true FROM pg_depend d JOIN pg_policy p ON p.oid = d.objid \
                 WHERE d.classid = 'pg_policy'::regclass AND d.refclassid = 'pg_class'::regclass \
                 AND d.refobjid = $1::bigint::oid AND d.refobjsubid = $2",
            )
            .await?;
        for (policy, _) in policies {
            self.found.refuse(
                format!(
                    "the row-level security policy {policy} decides by {}",
                    self.name
                ),
                "have it decide by another column first",
            );
        }
        let publications = self
            .ask(
                "SELECT DISTINCT p.pubname::text, true FROM pg_publication_tables t JOIN pg_publication p USING (pubname) \
                 JOIN pg_class c ON c.oid = $1::bigint::oid JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE t.schemaname = n.nspname AND t.tablename = c.relname AND $2::int2 IS NOT NULL",
            )
            .await?;
        for (publication, _) in publications {
            self.found.warn(
                format!(
                    "publication {publication} sends table {} to subscribers",
                    self.table.shown
                ),
                "they receive tokens, and need the same change of type where there is one",
            );
        }
        Ok(())
    }

    pub(super) async fn triggers_and_rules(&mut self) -> Result<(), TargetError> {
        let triggers = self
            .ask(
                "SELECT t.tgname::text, EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_trigger'::regclass \
                 AND d.objid = t.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = t.tgrelid AND d.refobjsubid = $2) \
                 FROM pg_trigger t WHERE t.tgrelid = $1::bigint::oid AND NOT t.tgisinternal \
                 AND t.tgenabled <> 'D' AND (t.tgtype & 16) <> 0 \
                 AND (t.tgattr::text = '' OR $2 = ANY (t.tgattr::int2[]))",
            )
            .await?;
        for (trigger, depends) in triggers {
            if depends && self.alters {
                self.found.refuse(
                    format!(
                        "trigger {trigger} names {}, whose type must change",
                        self.name
                    ),
                    "drop the trigger, run with --apply-schema, and make it again",
                );
            } else {
                self.found.warn(
                    format!("trigger {trigger} on table {} fires for every row that is changed", self.table.shown),
                    "make sure that it does no harm (copies the value in clear, stamps a date), or disable it for the run",
                );
            }
        }
        let rules = self
            .ask(
                "SELECT rulename::text, $2::int2 IS NULL FROM pg_rewrite \
                 WHERE ev_class = $1::bigint::oid AND ev_type = '2' AND ev_enabled <> 'D'",
            )
            .await?;
        for (rule, _) in rules {
            self.found.refuse(
                format!("rule {rule} rewrites updates of table {}", self.table.shown),
                "drop the rule, or turn it into a trigger, first",
            );
        }
        Ok(())
    }
}

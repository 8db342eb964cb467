//! What `--help` says.

use crate::run::{orlop, shown};

macro_rules! help {
    ($name:ident $(, $argument:literal)*) => {
        #[tokio::test]
        async fn $name() {
            let output = orlop(&[$($argument,)* "--help"]).output().await.unwrap();
            insta::assert_snapshot!(shown(&output));
        }
    };
}

help!(help_of_the_command);
help!(help_of_config, "config");
help!(help_of_config_import, "config", "import");
help!(help_of_config_apply, "config", "apply");
help!(help_of_update_stage, "update", "stage");
help!(help_of_rollback, "rollback");
help!(help_of_diff, "diff");
help!(help_of_generations, "generations");
help!(help_of_container, "container");
help!(help_of_container_exec, "container", "exec");
help!(help_of_events, "events");
help!(help_of_container_cp, "container", "cp");
help!(help_of_container_logs, "container", "logs");
help!(help_of_image, "image");
help!(help_of_volume, "volume");
help!(help_of_network, "network");
help!(help_of_pki_client, "pki", "client");

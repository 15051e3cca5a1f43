//! Every type as key and as value.

use atrest_testing::ScratchDatabase;

use crate::conformance::roundtrip::{self, Case};
use crate::conformance::{assert_refused, paging};

#[tokio::test]
async fn keys_of_every_type() {
    let s = ScratchDatabase::mariadb().await;
    paging::keys(
        &s,
        &[
            ("INT", &["1", "-2147483648", "2147483647", "0"]),
            (
                "BIGINT",
                &["9223372036854775807", "-9223372036854775808", "0"],
            ),
            (
                "BIGINT UNSIGNED",
                &["18446744073709551615", "0", "9223372036854775808"],
            ),
            ("TINYINT", &["-1", "1"]),
            ("INT(6) ZEROFILL", &["5", "123"]),
            ("YEAR", &["2024", "1999"]),
            (
                "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
                &["''", "'a'", "'B'", "'ä1'", "'it''s'", "'雪'", "'a\\\\b'"],
            ),
            (
                "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
                &["'b'", "'A'", "'ß'"],
            ),
            (
                "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                &["'b'", "'A'", "'a'", "'B'"],
            ),
            (
                "VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german1_ci",
                &["'b'", "'A'", "'ä1'", "'ö'"],
            ),
            ("VARCHAR(20) CHARACTER SET utf8mb3", &["'b'", "'ü'"]),
            ("CHAR(6) CHARACTER SET ascii", &["'b'", "'A'", "'abcdef'"]),
            ("CHAR(36) CHARACTER SET utf16", &["'b'", "'雪'"]),
            ("VARBINARY(16)", &["''", "x'00ff'", "x'01'"]),
            ("BINARY(4)", &["x'00ff0000'", "'ab'"]),
            (
                "UUID",
                &[
                    "'00000000-0000-0000-0000-000000000001'",
                    "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
                ],
            ),
            ("INET6", &["'::1'", "'fe80::1'"]),
            ("DATE", &["'2024-01-01'", "'9999-12-31'", "'0001-01-01'"]),
            (
                "DATETIME(6)",
                &["'2024-01-01 00:00:00.000001'", "'1000-01-01'"],
            ),
            (
                "TIMESTAMP(3)",
                &["'2024-01-01 00:00:00.123'", "'2001-01-01'"],
            ),
            ("TIME(2)", &["'-838:59:59'", "'12:00:00.25'"]),
            (
                "DECIMAL(30,10)",
                &["1.5", "-0.0000000001", "12345678901234567890"],
            ),
            ("DOUBLE", &["0.1", "-5", "1.7976931348623157e308"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn keys_without_exact_text_are_refused() {
    let s = ScratchDatabase::mariadb().await;
    for (i, definition) in ["FLOAT", "ENUM('a','b')", "BIT(4)", "SET('a')"]
        .into_iter()
        .enumerate()
    {
        s.execute(&format!(
            "CREATE TABLE k{i} (k {definition} NOT NULL PRIMARY KEY, c TEXT)"
        ))
        .await;
        assert_refused(&s, &format!("k{i}"), "c", 200, "key column k").await;
    }
    s.execute("CREATE TABLE k9 (k TEXT NOT NULL, c TEXT, PRIMARY KEY (k(10)))")
        .await;
    assert_refused(&s, "k9", "c", 200, "key column k").await;
}

#[tokio::test]
async fn schema_and_values_come_back() {
    let s = ScratchDatabase::mariadb().await;
    roundtrip::types(
        &s,
        &[
            Case { definition: "TEXT", values: &["'a'", "''", "NULL", "'it''s 雪'", "'back\\\\slash'", "'line\\nfeed'"] },
            Case { definition: "TINYTEXT DEFAULT 'x'", values: &["'a'"] },
            Case { definition: "VARCHAR(40) NOT NULL DEFAULT 'it''s' COMMENT 'it''s, a \\\\ comment'", values: &["'a'", "''", "'  spaces  '", "repeat('ü', 40)"] },
            Case { definition: "VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_german1_ci DEFAULT 'ä'", values: &["'ÄÖÜß'", "'a'"] },
            Case { definition: "VARCHAR(20) CHARACTER SET utf16", values: &["'雪𝄞'", "'a'"] },
            Case { definition: "VARCHAR(10) DEFAULT (concat('a', 'b')) INVISIBLE", values: &["'a'"] },
            Case { definition: "CHAR(10) CHARACTER SET ascii", values: &["'a'", "''", "'ab   '"] },
            Case { definition: "JSON DEFAULT '{}'", values: &["'{\"b\":1, \"a\" :  [1,2]}'", "'null'", "NULL"] },
            Case { definition: "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL", values: &["'a'"] },
            Case { definition: "BLOB", values: &["''", "x'00ff'", "NULL"] },
            Case { definition: "VARBINARY(10) DEFAULT 'x'", values: &["''", "x'00ff'"] },
            Case { definition: "BINARY(5) COMMENT 'fixed'", values: &["'ab'", "x'0001020304'"] },
            Case { definition: "TINYBLOB", values: &["x'00'"] },
            Case { definition: "TINYINT(1) DEFAULT 1", values: &["0", "1", "NULL"] },
            Case { definition: "INT(8) UNSIGNED ZEROFILL DEFAULT 5", values: &["0", "4294967295"] },
            Case { definition: "BIGINT NOT NULL DEFAULT -1", values: &["-9223372036854775808"] },
            Case { definition: "BIGINT UNSIGNED", values: &["18446744073709551615"] },
            Case { definition: "DECIMAL(65,30)", values: &["1.5", "-0.000000000000000000000000000001", "12345678901234567890123456789012345.1"] },
            Case { definition: "DECIMAL(10,2) DEFAULT 0.50", values: &["1.5", "-99999999.99"] },
            Case { definition: "FLOAT DEFAULT 0.5", values: &["0.1", "3.4028234e38", "1.17549435e-38", "16777217", "123456.789"] },
            Case { definition: "DOUBLE", values: &["0.1", "2.2250738585072014e-308", "1.7976931348623157e308", "123456789.12345679"] },
            Case { definition: "DATE DEFAULT '2024-01-01'", values: &["'2024-02-29'", "'0001-01-01'", "'9999-12-31'"] },
            Case { definition: "DATETIME DEFAULT CURRENT_TIMESTAMP", values: &["'2024-01-01 12:00:00'"] },
            Case { definition: "DATETIME(6)", values: &["'2024-01-01 12:00:00.000001'"] },
            Case { definition: "TIMESTAMP(3) NULL DEFAULT NULL", values: &["'2024-03-31 02:30:00.123'", "NULL"] },
            Case { definition: "TIME(4)", values: &["'-838:59:59'", "'00:00:00.0001'"] },
            Case { definition: "YEAR", values: &["2024", "0"] },
            Case { definition: "ENUM('a', 'it''s', 'ü') DEFAULT 'a'", values: &["'a'", "'it''s'", "'ü'", "NULL"] },
            Case { definition: "SET('x', 'y', 'z') NOT NULL DEFAULT 'x,y'", values: &["''", "'x,z'"] },
            Case { definition: "UUID", values: &["'6f0e3c0a-7f5e-4a57-9b7e-0d8b8f3d1c11'"] },
            Case { definition: "INET6", values: &["'fe80::1'", "'::ffff:10.0.0.1'"] },
            Case { definition: "INET4", values: &["'10.0.0.1'"] },
        ],
    )
    .await;
}

#[tokio::test]
async fn dates_that_the_strictest_mode_forbids_come_back() {
    let s = ScratchDatabase::mariadb().await;
    s.execute(
        "CREATE TABLE r (id INT PRIMARY KEY, c DATE, d DATETIME); SET SESSION sql_mode = 'ALLOW_INVALID_DATES';
         INSERT INTO r VALUES (1, '0000-00-00', '2024-02-31 00:00:00'), (2, '2024-00-00', NULL)",
    )
    .await;
    let before = s.dump().await;
    let description = roundtrip::forward(&s, "r").await;
    roundtrip::back(&s, "r", &description).await;
    s.dump().await.assert_same(&before);
}

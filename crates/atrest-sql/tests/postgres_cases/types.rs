//! Every type as key and as value.

use atrest_testing::ScratchDatabase;

use crate::conformance::paging;
use crate::conformance::roundtrip::{self, Case};

pub(crate) async fn keys_of_every_type(s: &ScratchDatabase) {
    s.execute("CREATE EXTENSION citext; CREATE DOMAIN code AS varchar(10) CHECK (value <> ''); CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')").await;
    paging::keys(
        s,
        &[
            ("integer", &["1", "-2147483648", "2147483647", "0"]),
            (
                "bigint",
                &["9223372036854775807", "-9223372036854775808", "0"],
            ),
            ("smallint", &["-1", "1"]),
            (
                "text",
                &["''", "'a'", "'B'", "'ä'", "'it''s'", "'雪'", r"'\x00'"],
            ),
            ("text COLLATE \"C\"", &["'b'", "'A'", "'a'", "'B'"]),
            (
                "text COLLATE \"en-x-icu\"",
                &["'b'", "'A'", "'a'", "'B'", "'Ä'"],
            ),
            ("varchar(20)", &["'b'", "'A'", "'a b'"]),
            ("char(6)", &["'b'", "'A'", "'abcdef'"]),
            ("citext", &["'b'", "'A'", "'C'"]),
            ("code", &["'b'", "'A'"]),
            ("mood", &["'happy'", "'sad'", "'ok'"]),
            (
                "uuid",
                &[
                    "'00000000-0000-0000-0000-000000000001'",
                    "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
                ],
            ),
            ("bytea", &[r"'\x'", r"'\x00ff'", r"'\x01'"]),
            (
                "timestamp",
                &[
                    "'2024-01-01 00:00:00.000001'",
                    "'-infinity'",
                    "'0044-03-15 BC'",
                ],
            ),
            (
                "timestamptz",
                &[
                    "'2024-01-01 00:00:00+05'",
                    "'2024-03-31 02:30:00.123456-08'",
                    "'infinity'",
                ],
            ),
            ("date", &["'2024-01-01'", "'0044-03-15 BC'", "'9999-12-31'"]),
            ("time", &["'00:00'", "'23:59:59.999999'"]),
            (
                "interval",
                &["'1 year 2 mons -3 days 04:05:06.7'", "'1 day'", "'-1 hour'"],
            ),
            (
                "numeric",
                &[
                    "1.50",
                    "-0.0000000001",
                    "123456789012345678901234567890",
                    "'NaN'",
                ],
            ),
            (
                "double precision",
                &["0.1", "'NaN'", "1e-307", "-5", "1.7976931348623157e308"],
            ),
            ("real", &["0.1", "3.4e38"]),
            ("inet", &["'10.0.0.1'", "'10.0.0.0/8'", "'::1'"]),
            ("macaddr", &["'08:00:2b:01:02:03'", "'00:00:00:00:00:01'"]),
            ("boolean", &["true", "false"]),
            ("bit(3)", &["B'101'", "B'000'"]),
            ("integer[]", &["'{1,2}'", "'{}'", "'{1,NULL}'"]),
            ("int4range", &["'[1,5)'", "'empty'", "'(,3)'"]),
            ("money", &["'1.50'", "'-2'"]),
            ("\"char\"", &["'a'", "'b'"]),
            ("oid", &["1", "4294967295"]),
        ],
    )
    .await;
}

pub(crate) async fn schema_and_values_come_back(s: &ScratchDatabase) {
    s.execute(
        "CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s');
         CREATE DOMAIN code AS varchar(10) CHECK (value <> 'no'); CREATE DOMAIN plain AS text;
         CREATE DOMAIN whole AS integer NOT NULL DEFAULT 7; CREATE TYPE pair AS (a integer, b text);
         CREATE COLLATION shrug (provider = icu, locale = 'und-u-ks-level1', deterministic = false)",
    )
    .await;
    roundtrip::types(
        s,
        &[
            Case {
                definition: "text",
                values: &[
                    "'a'",
                    "''",
                    "NULL",
                    "'it''s 雪'",
                    r"'back\slash'",
                    "E'line\\nfeed\\ttab'",
                ],
            },
            Case {
                definition: "varchar(40) NOT NULL DEFAULT 'it''s'",
                values: &["'a'", "''", "'  spaces  '", "repeat('ü', 40)"],
            },
            Case {
                definition: "varchar COLLATE \"C\"",
                values: &["'a'"],
            },
            Case {
                definition: "varchar(20) COLLATE \"en-x-icu\" DEFAULT 'x'",
                values: &["'a'", "'B'"],
            },
            Case {
                definition: "varchar(20) COLLATE shrug",
                values: &["'a'", "'A'"],
            },
            Case {
                definition: "char(10)",
                values: &["'a'", "''", "NULL", "'ab        '", "'0123456789'"],
            },
            Case {
                definition: "citext",
                values: &["'MiXed'", "'mixed'"],
            },
            Case {
                definition: "code DEFAULT 'x'",
                values: &["'a'", "NULL"],
            },
            Case {
                definition: "plain",
                values: &["'a'", "NULL"],
            },
            Case {
                definition: "whole",
                values: &["1", "-5"],
            },
            Case {
                definition: "mood DEFAULT 'ok'",
                values: &["'sad'", "'it''s'", "NULL"],
            },
            Case {
                definition: "json DEFAULT '{}'",
                values: &[
                    "'{\"b\":1, \"a\" :  [1,2]}'",
                    "'null'",
                    "' 12 '",
                    "'\"\\u0041\"'",
                ],
            },
            Case {
                definition: "jsonb NOT NULL DEFAULT '{\"a\": 1}'::jsonb",
                values: &["'{\"b\":1, \"a\":[1.50,1e5]}'", "'null'"],
            },
            Case {
                definition: "bytea",
                values: &["''", r"'\x00ff'", "NULL"],
            },
            Case {
                definition: "smallint",
                values: &["-32768", "32767"],
            },
            Case {
                definition: "integer DEFAULT 5",
                values: &["-2147483648", "0", "NULL"],
            },
            Case {
                definition: "bigint",
                values: &["9223372036854775807"],
            },
            Case {
                definition: "numeric",
                values: &["1.500", "'NaN'", "-0.000000000000000000001", "1e100"],
            },
            Case {
                definition: "numeric(10,2) DEFAULT 0.5",
                values: &["1.5", "-99999999.99"],
            },
            Case {
                definition: "real",
                values: &["0.1", "3.4028235e38", "1.17549435e-38", "'-Infinity'"],
            },
            Case {
                definition: "double precision",
                values: &[
                    "0.1",
                    "2.2250738585072014e-308",
                    "1.7976931348623157e308",
                    "'NaN'",
                    "-0.0",
                ],
            },
            Case {
                definition: "money",
                values: &["12.34", "-0.01"],
            },
            Case {
                definition: "boolean DEFAULT true",
                values: &["true", "false"],
            },
            Case {
                definition: "date DEFAULT CURRENT_DATE",
                values: &["'2024-02-29'", "'0044-03-15 BC'", "'infinity'"],
            },
            Case {
                definition: "time(3)",
                values: &["'23:59:59.999'", "'24:00:00'"],
            },
            Case {
                definition: "timetz",
                values: &["'12:00:00.5+05:30'"],
            },
            Case {
                definition: "timestamp(2) DEFAULT now()",
                values: &["'2024-01-01 12:00:00.12'", "'-infinity'"],
            },
            Case {
                definition: "timestamptz",
                values: &[
                    "'2024-03-31 02:30:00.123456+02'",
                    "'4713-01-01 00:00:00 BC'",
                ],
            },
            Case {
                definition: "interval",
                values: &["'1 year 2 mons -3 days 04:05:06.7'", "'-00:00:00.000001'"],
            },
            Case {
                definition: "interval hour to second(2)",
                values: &["'04:05:06.78'"],
            },
            Case {
                definition: "uuid",
                values: &["'6f0e3c0a-7f5e-4a57-9b7e-0d8b8f3d1c11'"],
            },
            Case {
                definition: "inet",
                values: &["'10.0.0.1/24'", "'::1'"],
            },
            Case {
                definition: "cidr",
                values: &["'10.0.0.0/8'"],
            },
            Case {
                definition: "macaddr8",
                values: &["'08:00:2b:01:02:03:04:05'"],
            },
            Case {
                definition: "bit(5)",
                values: &["B'10101'"],
            },
            Case {
                definition: "bit varying(8)",
                values: &["B'101'", "B''"],
            },
            Case {
                definition: "text[]",
                values: &[
                    "ARRAY['a', NULL, 'NULL', 'it''s, \"quoted\"']",
                    "'{}'",
                    "'[2:3]={x,y}'",
                ],
            },
            Case {
                definition: "integer[][] DEFAULT '{}'",
                values: &["'{{1,2},{3,4}}'"],
            },
            Case {
                definition: "mood[]",
                values: &["'{sad,\"it''s\"}'"],
            },
            Case {
                definition: "int8range",
                values: &["'[1,10)'", "'empty'"],
            },
            Case {
                definition: "point",
                values: &["'(1.5,-2e-10)'"],
            },
            Case {
                definition: "polygon",
                values: &["'((0,0),(1,1),(2,0))'"],
            },
            Case {
                definition: "xml",
                values: &["'<a b=\"c\">d</a>'", "'just text'"],
            },
            Case {
                definition: "tsvector",
                values: &["'a fat cat'"],
            },
            Case {
                definition: "hstore",
                values: &["'a=>1, b=>NULL'"],
            },
            Case {
                definition: "pair",
                values: &["ROW(1, 'it''s, \"q\"')"],
            },
        ],
    )
    .await;
}

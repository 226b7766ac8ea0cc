//! The part of WASI that the SDK has no use for. A guest imports what it calls and nothing more.
#![expect(missing_docs, reason = "generated")]

pub mod outgoing;

wit_bindgen::generate!({
    path: "../../wit",
    inline: "
        package guests:probe;
        world probe {
            import wasi:cli/environment@0.2.12;
            import wasi:cli/exit@0.2.12;
            import wasi:cli/stdin@0.2.12;
            import wasi:cli/stdout@0.2.12;
            import wasi:cli/stderr@0.2.12;
            import wasi:cli/terminal-stdin@0.2.12;
            import wasi:cli/terminal-stdout@0.2.12;
            import wasi:cli/terminal-stderr@0.2.12;
            import wasi:clocks/monotonic-clock@0.2.12;
            import wasi:clocks/wall-clock@0.2.12;
            import wasi:config/store@0.2.0-rc.1;
            import wasi:filesystem/preopens@0.2.12;
            import wasi:filesystem/types@0.2.12;
            import wasi:http/outgoing-handler@0.2.12;
            import wasi:logging/logging@0.1.0-draft;
            import wasi:random/insecure@0.2.12;
            import wasi:random/random@0.2.12;
            import wasi:sockets/instance-network@0.2.12;
            import wasi:sockets/ip-name-lookup@0.2.12;
            import wasi:sockets/tcp-create-socket@0.2.12;
            import wasi:sockets/udp-create-socket@0.2.12;
        }
    ",
    generate_all,
});

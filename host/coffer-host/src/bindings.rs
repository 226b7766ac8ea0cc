//! What the engine makes of `wit/`: one world for what plugins import from us, and one for each
//! interface that they can export, because a component need not have them all.
#![expect(unreachable_pub, reason = "generated")]

wasmtime::component::bindgen!({
    path: "wit",
    inline: "
        package coffer:embedding;
        world imports {
            import coffer:secrets/types@0.1.0;
            import coffer:host/http@0.1.0;
            import coffer:host/commands@0.1.0;
            import coffer:host/cache@0.1.0;
            import wasi:config/store@0.2.0-rc.1;
            import wasi:logging/logging@0.1.0-draft;
        }
    ",
    imports: {
        "coffer:host/cache": async | trappable,
        "coffer:host/commands": async | trappable,
        "coffer:host/http": async | trappable,
        default: trappable,
    },
    // They cross to a worker and back.
    additional_derives: [serde::Deserialize, serde::Serialize],
    require_store_data_send: true,
});

pub mod resolver {
    wasmtime::component::bindgen!({
        path: "wit",
        inline: "
            package coffer:embedding;
            world resolver { export coffer:secrets/resolver@0.1.0; }
        ",
        exports: { default: async },
        with: { "coffer:secrets/types": super::coffer::secrets::types },
        require_store_data_send: true,
    });
}

pub mod writer {
    wasmtime::component::bindgen!({
        path: "wit",
        inline: "
            package coffer:embedding;
            world writer { export coffer:secrets/writer@0.1.0; }
        ",
        exports: { default: async },
        with: { "coffer:secrets/types": super::coffer::secrets::types },
        require_store_data_send: true,
    });
}

pub mod lister {
    wasmtime::component::bindgen!({
        path: "wit",
        inline: "
            package coffer:embedding;
            world lister { export coffer:secrets/lister@0.1.0; }
        ",
        exports: { default: async },
        with: { "coffer:secrets/types": super::coffer::secrets::types },
        require_store_data_send: true,
    });
}

/// Files that are in memory and nowhere else, for entry points. The engine's own implementation of the
/// same interface is for directories of the machine.
pub mod files {
    wasmtime::component::bindgen!({
        path: "wit",
        inline: "
            package coffer:embedding;
            world files {
                import wasi:filesystem/types@0.2.12;
                import wasi:filesystem/preopens@0.2.12;
            }
        ",
        imports: { default: trappable },
        with: {
            "wasi:clocks/wall-clock": wasmtime_wasi::p2::bindings::clocks::wall_clock,
            "wasi:io/error": wasmtime_wasi_io::bindings::wasi::io::error,
            "wasi:io/poll": wasmtime_wasi_io::bindings::wasi::io::poll,
            "wasi:io/streams": wasmtime_wasi_io::bindings::wasi::io::streams,
            "wasi:filesystem/types.descriptor": crate::entry_point::Descriptor,
            "wasi:filesystem/types.directory-entry-stream": crate::entry_point::Entries,
        },
        require_store_data_send: true,
    });
}

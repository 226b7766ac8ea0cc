//! What wit-bindgen makes of `wit/`. Nothing here is for plugins to use: the modules beside this one
//! are.
//!
//! One world for everything that is imported, and one for each interface that can be exported, so
//! that a plugin exports what it implements and nothing else.
#![expect(clippy::mem_forget, reason = "generated")]

wit_bindgen::generate!({
    path: "wit",
    inline: "
        package coffer:sdk;
        world imports {
            import coffer:secrets/types@0.1.0;
            import coffer:host/http@0.1.0;
            import coffer:host/commands@0.1.0;
            import coffer:host/cache@0.1.0;
            import wasi:config/store@0.2.0-rc.1;
            import wasi:logging/logging@0.1.0-draft;
            import wasi:cli/environment@0.2.12;
            import wasi:clocks/wall-clock@0.2.12;
            import wasi:random/random@0.2.12;
            import wasi:filesystem/preopens@0.2.12;
            import wasi:filesystem/types@0.2.12;
        }
    ",
    generate_all,
    generate_unused_types: true,
});

pub mod resolver {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package coffer:sdk;
            world resolver { export coffer:secrets/resolver@0.1.0; }
        ",
        with: { "coffer:secrets/types@0.1.0": crate::bindings::coffer::secrets::types },
        pub_export_macro: true,
        export_macro_name: "__export_resolver",
        default_bindings_module: "coffer_plugin::bindings::resolver",
    });
}

pub mod writer {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package coffer:sdk;
            world writer { export coffer:secrets/writer@0.1.0; }
        ",
        with: { "coffer:secrets/types@0.1.0": crate::bindings::coffer::secrets::types },
        pub_export_macro: true,
        export_macro_name: "__export_writer",
        default_bindings_module: "coffer_plugin::bindings::writer",
    });
}

pub mod lister {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package coffer:sdk;
            world lister { export coffer:secrets/lister@0.1.0; }
        ",
        with: { "coffer:secrets/types@0.1.0": crate::bindings::coffer::secrets::types },
        pub_export_macro: true,
        export_macro_name: "__export_lister",
        default_bindings_module: "coffer_plugin::bindings::lister",
    });
}

//! What wit-bindgen makes of a WASI command that needs variables, files and two streams. What is not
//! named here is not imported: no clock, no randomness, no network.

wit_bindgen::generate!({
    path: "../../wit",
    inline: "
        package example:sensitive-data;
        world entry-point {
            import wasi:cli/environment@0.2.12;
            import wasi:cli/stdout@0.2.12;
            import wasi:cli/stderr@0.2.12;
            import wasi:filesystem/preopens@0.2.12;
            import wasi:filesystem/types@0.2.12;
            export wasi:cli/run@0.2.12;
        }
    ",
    generate_all,
});

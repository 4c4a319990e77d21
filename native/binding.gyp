{
  "targets": [
    {
      "target_name": "tributary",
      "sources": [
        "src/addon.cc",
        "src/borrowed_buffer.cc",
        "src/region.cc",
        "src/huge_pages.cc",
        "src/page_warmer.cc",
        "src/process.cc",
        "src/crc32c.cc",
        "src/segment_writer.cc",
        "src/array_file.cc",
        "src/event_decoder.cc",
        "src/decoder.cc",
        "src/json_outline.cc",
        "src/tracking_event.cc",
        "src/sender_address.cc",
        "src/timestamp.cc",
        "src/json_builder.cc",
        "src/column_rows.cc",
        "src/column_rows_object.cc",
        "src/msgpack_parser.cc",
        "src/msgpack_object.cc",
        "src/import_json.cc",
        "src/import_msgpack.cc",
        "src/msgpack_records.cc",
        "src/unicode_escapes.cc",
        "src/json_text.cc",
        "src/unescaped_strings.cc",
        "src/identifier_extractor.cc",
        "src/identifier_index.cc",
        "src/identifier_request.cc",
        "src/node_table.cc",
        "src/profile_answer.cc",
        "src/profile_id_cipher.cc",
        "src/message_window.cc",
        "src/decode_stage.cc",
        "src/stager.cc",
        "src/stager_object.cc",
        "src/text_search.cc",
        "src/hot_directory.cc",
        "src/duckdb_api.cc",
        "src/duckdb_scan.cc",
        "src/duckdb_functions.cc",
        "src/duckdb_anchors.cc",
        "src/duckdb_profiles.cc",
        "src/trusted_json.cc",
        "../node_modules/simdjson/simdjson/src/simdjson.cpp"
      ],
      "include_dirs": [
        "../node_modules/node-addon-api",
        "../node_modules/simdjson/simdjson/src"
      ],
      "defines": ["NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NAPI_VERSION=8", "SIMDJSON_EXCEPTIONS=0"],
      "cflags": ["-O3", "-g1", "-fvisibility=hidden", "-Wall", "-Wextra"],
      "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti"],
      "cflags_cc!": ["-std=gnu++20", "-std=gnu++17"],
      "ldflags": ["-Wl,-soname,tributary.duckdb_extension"],
      "conditions": [
        ["OS!='linux'", { "sources": ["the appliance runs on Linux only"] }]
      ]
    }
  ]
}

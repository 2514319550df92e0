-- One word per thing that an API key may do: `read`, `ingest:SOURCE_ID` and `admin`. A key that could
-- `write` could do everything but had another name than the role that may.
update api_keys
set scopes = trim(
    replace(
        replace(replace(' ' || scopes || ' ', ' write ', ' admin '), ' manage ', ' admin '),
        ' sync:', ' ingest:'
    )
);

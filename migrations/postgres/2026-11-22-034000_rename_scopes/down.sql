update api_keys
set scopes = trim(
    replace(replace(' ' || scopes || ' ', ' admin ', ' write '), ' ingest:', ' sync:')
);

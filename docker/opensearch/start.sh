#!/bin/sh
# Start OpenSearch in a container whose root is read-only: its configuration is put together in a folder in
# memory, OPENSEARCH_PATH_CONF, from the image's own, ours, and the certificates.
set -eu
home=/usr/share/opensearch
config=${OPENSEARCH_PATH_CONF:?}

cp -r "$home/config/." "$config"
cp /sieve/opensearch.yml "$config/opensearch.yml"
mkdir -p "$config/certificates"
for file in ca.pem node.pem node.key; do # the plugin reads no files from elsewhere
    cp "/certificates/$file" "$config/certificates/$file"
done
chmod -R go= "$config"
sed -i '/-Xlog:gc/d' "$config/jvm.options" # up to 2 GB of records of the garbage collector, in memory here

# The image's own users have passwords that everybody knows: none of them is made. Ours: users.py.
for kind in internalusers:internal_users rolesmapping:roles_mapping; do
    printf -- '---\n_meta:\n  type: "%s"\n  config_version: 2\n' "${kind%%:*}" \
        >"$config/opensearch-security/${kind##*:}.yml"
done

cd "$home"
exec "$home/bin/opensearch"

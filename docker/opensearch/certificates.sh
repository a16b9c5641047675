#!/bin/sh
# Make the certificates of the search cluster in /certificates, or leave those that are there and good for
# 30 more days. The authority signs one certificate for the node and one for the administrator; then its key
# is thrown away, so nobody can ever sign a third.
set -eu
umask 077
folder=${1:-/certificates}
cd "$folder"
if [ -s ca.pem ] && openssl x509 -in node.pem -noout -checkend 2592000 >/dev/null 2>&1 &&
    openssl x509 -in admin.pem -noout -checkend 2592000 >/dev/null 2>&1; then
    echo "The certificates are there already."
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
days=1095
openssl req -x509 -newkey rsa:3072 -nodes -sha256 -days "$days" -subj "/O=Sieve/CN=authority" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null

sign() { # sign NAME USAGE [SUBJECT_ALTERNATIVE_NAMES]
    openssl req -newkey rsa:3072 -nodes -sha256 -subj "/O=Sieve/CN=$1" \
        -keyout "$work/$1.key" -out "$work/$1.csr" 2>/dev/null # a PKCS#8 key, which OpenSearch wants
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n' >"$work/$1.ext"
    printf 'extendedKeyUsage=%s\n%s\n' "$2" "${3:-}" >>"$work/$1.ext"
    openssl x509 -req -in "$work/$1.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial \
        -sha256 -days "$days" -extfile "$work/$1.ext" -out "$work/$1.pem" 2>/dev/null
}
sign node serverAuth,clientAuth "subjectAltName=DNS:opensearch,DNS:localhost,IP:127.0.0.1"
sign admin clientAuth

for file in node.key node.pem admin.key admin.pem ca.pem; do # ca.pem last: it is the mark that all are there
    cp "$work/$file" "$file.new"
    mv "$file.new" "$file"
done
chmod 0644 ca.pem
chmod 0755 .
echo "Made an authority, and certificates for the node and the administrator, good for $days days."

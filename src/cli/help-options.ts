/** The option of all commands that ask a running server. */
export const SERVER_OPTION = `\
  --server URL            the server; otherwise POINTS_URL, or http://127.0.0.1:50051. One that
                          asks who calls takes the token in POINTS_TOKEN; one whose certificate
                          few trust, the authority's in NODE_EXTRA_CA_CERTS
`;

/** The options of those that can print its answer as it is. */
export const CLIENT_OPTIONS = `${SERVER_OPTION}\
  --json                  print the answer as protobuf's JSON
`;

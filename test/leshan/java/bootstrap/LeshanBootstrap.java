import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.eclipse.leshan.core.CertificateUsage;
import org.eclipse.leshan.core.SecurityMode;
import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.core.peer.OscoreIdentity;
import org.eclipse.leshan.core.request.BootstrapDownlinkRequest;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.core.security.util.SecurityUtil;
import org.eclipse.leshan.core.util.Hex;
import org.eclipse.leshan.server.bootstrap.BootstrapConfig;
import org.eclipse.leshan.server.bootstrap.BootstrapFailureCause;
import org.eclipse.leshan.server.bootstrap.BootstrapSession;
import org.eclipse.leshan.server.bootstrap.BootstrapSessionAdapter;
import org.eclipse.leshan.server.bootstrap.InMemoryBootstrapConfigStore;
import org.eclipse.leshan.server.bootstrap.LeshanBootstrapServer;
import org.eclipse.leshan.server.bootstrap.LeshanBootstrapServerBuilder;
import org.eclipse.leshan.server.californium.bootstrap.endpoint.CaliforniumBootstrapServerEndpointsProvider;
import org.eclipse.leshan.server.californium.bootstrap.endpoint.coaps.CoapsBootstrapServerProtocolProvider;
import org.eclipse.leshan.server.security.BootstrapSecurityStore;
import org.eclipse.leshan.server.security.SecurityInfo;

/**
 * A Leshan bootstrap server for tests, which gives one client one account. Arguments are NAME=VALUE, bytes in hexadecimal:
 *
 * <pre>
 * endpoint, mode (0 PSK, 1 RPK, 2 X.509), identity, key    the client, and how it comes: with PSK identity and key, with RPK its public key
 * own, chain, trust                                        the server's private key (PKCS #8), certificates and the authority of clients
 * uri, id, account, accountidentity, accountserver, accountkey   the account: URI, Short Server ID, mode, /0/x/3, /0/x/4, /0/x/5
 * name                                                     the server's name, /0/x/14, with certificates
 * </pre>
 *
 * It prints READY and its URI, then a line for each request that it sends with the answer, and END or FAILED when a bootstrap is over. It
 * ends when its standard input does.
 */
public class LeshanBootstrap {
    private final Map<String, String> options = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        new LeshanBootstrap(arguments).run();
    }

    private LeshanBootstrap(String[] arguments) {
        for (String argument : arguments) {
            String[] pair = argument.split("=", 2);
            options.put(pair[0], pair[1]);
        }
    }

    private void run() throws Exception {
        CaliforniumBootstrapServerEndpointsProvider.Builder endpoints = new CaliforniumBootstrapServerEndpointsProvider.Builder(
                new CoapsBootstrapServerProtocolProvider());
        endpoints.addEndpoint(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), Protocol.COAPS);
        InMemoryBootstrapConfigStore accounts = new InMemoryBootstrapConfigStore();
        accounts.add(options.get("endpoint"), account());
        LeshanBootstrapServerBuilder builder = new LeshanBootstrapServerBuilder();
        builder.setEndpointsProviders(endpoints.build());
        builder.setConfigStore(accounts);
        builder.setSecurityStore(new Client(client()));
        if (options.containsKey("own")) {
            builder.setPrivateKey(SecurityUtil.privateKey.decode(bytes("own")));
            List<X509Certificate> chain = new ArrayList<>();
            for (String certificate : options.get("chain").split(",")) {
                chain.add(SecurityUtil.certificate.decode(Hex.decodeHex(certificate.toCharArray())));
            }
            builder.setCertificateChain(chain.toArray(new X509Certificate[0]));
            builder.setTrustedCertificates(new X509Certificate[] {SecurityUtil.certificate.decode(bytes("trust"))});
        }
        LeshanBootstrapServer server = builder.build();
        server.addListener(new Reporter());
        server.start();
        System.out.println("READY " + server.getEndpoint(Protocol.COAPS).getURI());
        while (System.in.read() >= 0) {
            continue;
        }
        System.exit(0);
    }

    private byte[] bytes(String name) {
        return Hex.decodeHex(options.getOrDefault(name, "").toCharArray());
    }

    private SecurityInfo client() throws Exception {
        String endpoint = options.get("endpoint");
        switch (options.get("mode")) {
        case "0":
            return SecurityInfo.newPreSharedKeyInfo(endpoint, new String(bytes("identity"), StandardCharsets.UTF_8), bytes("key"));
        case "1":
            return SecurityInfo.newRawPublicKeyInfo(endpoint, SecurityUtil.publicKey.decode(bytes("identity")));
        default:
            return SecurityInfo.newX509CertInfo(endpoint);
        }
    }

    /** What the client is to be given: objects 0 and 1 are emptied and written. */
    private BootstrapConfig account() {
        BootstrapConfig config = new BootstrapConfig();
        config.autoIdForSecurityObject = true;
        config.toDelete = Arrays.asList("/0", "/1");
        BootstrapConfig.ServerSecurity security = new BootstrapConfig.ServerSecurity();
        security.uri = options.get("uri");
        security.bootstrapServer = false;
        security.securityMode = SecurityMode.fromCode(Integer.parseInt(options.get("account")));
        security.publicKeyOrId = bytes("accountidentity");
        security.serverPublicKey = bytes("accountserver");
        security.secretKey = bytes("accountkey");
        security.serverId = Integer.parseInt(options.get("id"));
        if (options.containsKey("name")) {
            security.sni = options.get("name");
            security.certificateUsage = CertificateUsage.TRUST_ANCHOR_ASSERTION;
        }
        config.security.put(0, security);
        BootstrapConfig.ServerConfig server = new BootstrapConfig.ServerConfig();
        server.shortId = security.serverId;
        server.lifetime = 300;
        config.servers.put(0, server);
        return config;
    }

    /** The one client that is known. */
    private static class Client implements BootstrapSecurityStore {
        private final SecurityInfo info;

        Client(SecurityInfo info) {
            this.info = info;
        }

        @Override
        public Iterator<SecurityInfo> getAllByEndpoint(String endpoint) {
            List<SecurityInfo> all = new ArrayList<>();
            if (info.getEndpoint().equals(endpoint)) {
                all.add(info);
            }
            return all.iterator();
        }

        @Override
        public SecurityInfo getByIdentity(String identity) {
            return Objects.equals(info.getPskIdentity(), identity) ? info : null;
        }

        @Override
        public SecurityInfo getByOscoreIdentity(OscoreIdentity identity) {
            return null;
        }
    }

    /** Prints what happens. */
    private static class Reporter extends BootstrapSessionAdapter {
        @Override
        public void onResponseSuccess(BootstrapSession session, BootstrapDownlinkRequest<? extends LwM2mResponse> request,
                LwM2mResponse response) {
            System.out.println("ANSWER " + request.getClass().getSimpleName() + " " + request.getPath() + " " + response.getCode());
        }

        @Override
        public void onResponseError(BootstrapSession session, BootstrapDownlinkRequest<? extends LwM2mResponse> request,
                LwM2mResponse response) {
            System.out.println("ERROR " + request.getClass().getSimpleName() + " " + request.getPath() + " " + response);
        }

        @Override
        public void end(BootstrapSession session) {
            System.out.println("END " + session.getEndpoint());
        }

        @Override
        public void failed(BootstrapSession session, BootstrapFailureCause cause) {
            System.out.println("FAILED " + session.getEndpoint() + " " + cause);
        }
    }
}

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.security.util.SecurityUtil;
import org.eclipse.leshan.core.util.Hex;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.model.VersionedModelProvider;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.servers.security.InMemorySecurityStore;
import org.eclipse.leshan.servers.security.SecurityInfo;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpointsProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.coap.CoapServerProtocolProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.coaps.CoapsServerProtocolProvider;

/**
 * A Leshan server for tests, ruled over HTTP and JSON on 127.0.0.1:
 *
 * <pre>
 * GET  /clients                    the registrations
 * GET  /events?after=SEQ&amp;wait=MS  what happened after event SEQ; waits up to MS if nothing did
 * GET  /now                        {"seq"}: the number of the newest event, 0 if there is none
 * POST /request                    one operation on a client, see Requests
 * POST /psk                        {"endpoint","identity","key"}: lets the client in; without identity: locks it out
 * POST /rpk                        {"endpoint","key"}: lets the client in by its public key
 * POST /x509                       {"endpoint"}: lets the client in by its certificate, whose Common Name is the endpoint
 * POST /awake                      {"millis"}: how long a queue-mode client counts as awake after it was heard
 * </pre>
 *
 * Arguments are NAME=VALUE: coap, coaps (ports, 0 for a free one), cid (bytes, -1 for none), ack (ACK_TIMEOUT in ms), models (folder of
 * object descriptions), and in hexadecimal key (the server's private one, PKCS #8), chain (its certificates, separated by commas; its public
 * key is theirs) and trust (the authority of clients). It prints one line, READY and its addresses as JSON, and ends when its standard input does.
 */
public class LeshanPeer {
    static final ObjectMapper JSON = new ObjectMapper();

    private final InMemorySecurityStore keys = new InMemorySecurityStore();
    private volatile int awakeMillis = 93_000; // Core 1.2, 6.5.1: MAX_TRANSMIT_WAIT
    private final LeshanServer server;
    private final Events events;
    private final Requests requests;

    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (String argument : arguments) {
            String[] pair = argument.split("=", 2);
            options.put(pair[0], pair[1]);
        }
        new LeshanPeer(options).run();
    }

    private LeshanPeer(Map<String, String> options) throws Exception {
        CaliforniumServerEndpointsProvider.Builder endpoints = new CaliforniumServerEndpointsProvider.Builder(
                new CoapServerProtocolProvider(), new CoapsServerProtocolProvider());
        Configuration configuration = endpoints.createDefaultConfiguration();
        int cid = number(options, "cid", 6);
        configuration.set(DtlsConfig.DTLS_CONNECTION_ID_LENGTH, cid < 0 ? null : cid);
        configuration.set(CoapConfig.ACK_TIMEOUT, number(options, "ack", 2000), TimeUnit.MILLISECONDS);
        endpoints.setConfiguration(configuration);
        endpoints.addEndpoint(local(number(options, "coap", 0)), Protocol.COAP);
        endpoints.addEndpoint(local(number(options, "coaps", 0)), Protocol.COAPS);

        List<ObjectModel> models = ObjectLoader.loadAllDefault();
        models.addAll(models(options.get("models")));
        LeshanServerBuilder builder = new LeshanServerBuilder();
        builder.setEndpointsProviders(endpoints.build());
        builder.setObjectModelProvider(new VersionedModelProvider(models));
        builder.setSecurityStore(keys);
        if (options.containsKey("key")) {
            builder.setPrivateKey(SecurityUtil.privateKey.decode(bytes(options.get("key"))));
            List<X509Certificate> chain = new ArrayList<>();
            for (String certificate : options.get("chain").split(",")) {
                chain.add(SecurityUtil.certificate.decode(bytes(certificate)));
            }
            builder.setCertificateChain(chain.toArray(new X509Certificate[0]));
            builder.setTrustedCertificates(new X509Certificate[] {SecurityUtil.certificate.decode(bytes(options.get("trust")))});
        }
        builder.setClientAwakeTimeProvider(registration -> awakeMillis);
        server = builder.build();
        events = new Events(server);
        requests = new Requests(server);
    }

    /** The object descriptions in a folder, none if it is null. */
    static List<ObjectModel> models(String folder) throws Exception {
        List<ObjectModel> models = new ArrayList<>();
        if (folder != null) {
            for (File file : new File(folder).listFiles()) {
                try (InputStream in = new FileInputStream(file)) {
                    models.addAll(ObjectLoader.loadDdfFile(in, file.getName(), true));
                }
            }
        }
        return models;
    }

    private static int number(Map<String, String> options, String name, int otherwise) {
        return Integer.parseInt(options.getOrDefault(name, Integer.toString(otherwise)));
    }

    private static byte[] bytes(String hex) {
        return Hex.decodeHex(hex.toCharArray());
    }

    private static InetSocketAddress local(int port) {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    }

    private void run() throws IOException {
        server.start();
        HttpServer http = HttpServer.create(local(0), 0);
        http.setExecutor(Executors.newCachedThreadPool());
        serve(http, "/clients", body -> clients());
        serve(http, "/events", body -> events.after(body.path("after").asLong(), body.path("wait").asLong()));
        serve(http, "/now", body -> JSON.createObjectNode().put("seq", events.last()));
        serve(http, "/request", requests::perform);
        serve(http, "/psk", this::setKey);
        serve(http, "/rpk", body -> letIn(SecurityInfo.newRawPublicKeyInfo(body.path("endpoint").asText(),
                SecurityUtil.publicKey.decode(bytes(body.path("key").asText())))));
        serve(http, "/x509", body -> letIn(SecurityInfo.newX509CertInfo(body.path("endpoint").asText())));
        serve(http, "/awake", body -> {
            awakeMillis = body.path("millis").asInt();
            return JSON.createObjectNode();
        });
        http.start();

        ObjectNode ready = JSON.createObjectNode();
        ready.put("http", "http://127.0.0.1:" + http.getAddress().getPort());
        ready.put("coap", server.getEndpoint(Protocol.COAP).getURI().toString());
        ready.put("coaps", server.getEndpoint(Protocol.COAPS).getURI().toString());
        System.out.println("READY " + ready);
        while (System.in.read() >= 0) {
            // whoever started this holds the other end, and ends it by letting go
        }
        server.destroy();
        System.exit(0);
    }

    private interface Route {
        JsonNode answer(JsonNode body) throws Exception;
    }

    /** Serves a route: the JSON body of the request, or its query as an object, gives the JSON answer; an exception gives 400. */
    private static void serve(HttpServer http, String path, Route route) {
        http.createContext(path, exchange -> {
            int status = 200;
            JsonNode answer;
            try {
                answer = route.answer(body(exchange));
            } catch (Exception e) {
                status = 400;
                answer = JSON.createObjectNode().put("error", e.toString());
            }
            byte[] bytes = JSON.writeValueAsBytes(answer);
            exchange.sendResponseHeaders(status, bytes.length);
            exchange.getResponseBody().write(bytes);
            exchange.close();
        });
    }

    private static JsonNode body(HttpExchange exchange) throws IOException {
        if (exchange.getRequestMethod().equals("POST")) {
            return JSON.readTree(exchange.getRequestBody());
        }
        ObjectNode query = JSON.createObjectNode();
        String text = exchange.getRequestURI().getQuery();
        if (text != null) {
            for (String pair : text.split("&")) {
                query.put(pair.split("=", 2)[0], pair.split("=", 2)[1]);
            }
        }
        return query;
    }

    private JsonNode clients() {
        ObjectNode clients = JSON.createObjectNode();
        for (Iterator<Registration> i = server.getRegistrationService().getAllRegistrations(); i.hasNext();) {
            Registration registration = i.next();
            ObjectNode client = Events.describe(registration);
            client.put("awake", server.getPresenceService().isClientAwake(registration));
            clients.set(registration.getEndpoint(), client);
        }
        return clients;
    }

    private JsonNode letIn(SecurityInfo client) throws Exception {
        keys.remove(client.getEndpoint(), true);
        keys.add(client);
        return JSON.createObjectNode();
    }

    private JsonNode setKey(JsonNode body) throws Exception {
        String endpoint = body.path("endpoint").asText();
        keys.remove(endpoint, true);
        if (body.hasNonNull("identity")) {
            byte[] key = Hex.decodeHex(body.path("key").asText().toCharArray());
            keys.add(SecurityInfo.newPreSharedKeyInfo(endpoint, body.path("identity").asText(), key));
        }
        return JSON.createObjectNode();
    }
}

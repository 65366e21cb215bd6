import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.leshan.client.LeshanClientBuilder;
import org.eclipse.leshan.client.engine.DefaultRegistrationEngineFactory;
import org.eclipse.leshan.client.object.Device;
import org.eclipse.leshan.client.object.Security;
import org.eclipse.leshan.client.object.Server;
import org.eclipse.leshan.client.observer.LwM2mClientObserverAdapter;
import org.eclipse.leshan.client.resource.BaseInstanceEnabler;
import org.eclipse.leshan.client.resource.BaseInstanceEnablerFactory;
import org.eclipse.leshan.client.resource.LwM2mInstanceEnabler;
import org.eclipse.leshan.client.resource.ObjectsInitializer;
import org.eclipse.leshan.client.resource.SimpleInstanceEnabler;
import org.eclipse.leshan.client.send.ManualDataSender;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.eclipse.leshan.core.model.StaticModel;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.RegisterRequest;
import org.eclipse.leshan.core.request.UpdateRequest;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.util.Hex;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpointsProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coap.CoapClientProtocolProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coaps.CoapsClientProtocolProvider;

/**
 * Leshan's own client with a Device, a Connectivity Monitoring and ten temperature sensors: the other end where this project's server is
 * tested, and the Java client that benchmarks are compared with.
 *
 * <p>Arguments are NAME=VALUE: uri, endpoint, identity and key (hex) for DTLS, lifetime (s), queue (true), models (folder of object
 * descriptions, for whatever is not in Leshan). It prints REGISTERED LOCATION and UPDATED; it takes on its standard input "set INSTANCE
 * CELSIUS" (of object 3303), "send INSTANCE" and "update", and deregisters and ends when that ends.
 */
public class LeshanClient {
    private static final int SHORT_SERVER_ID = 101;
    private static final int SENSORS = 10;
    private static final int TEMPERATURE = 3303;
    private static final int SENSOR_VALUE = 5700;

    /** A sensor whose value is set from outside. */
    private static class Sensor extends SimpleInstanceEnabler {
        Sensor() {
        }

        Sensor(int id, double celsius) {
            super(id, SENSOR_VALUE, celsius, 5701, "Cel");
        }

        @Override
        public ExecuteResponse execute(LwM2mServer server, int resource, Arguments arguments) {
            return ExecuteResponse.success();
        }

        void set(double celsius) {
            resources.put(SENSOR_VALUE, LwM2mSingleResource.newResource(SENSOR_VALUE, celsius, Type.FLOAT));
            fireResourceChange(SENSOR_VALUE);
        }
    }

    private final Sensor[] sensors = new Sensor[SENSORS];
    private final org.eclipse.leshan.client.LeshanClient client;
    private final ManualDataSender sender = new ManualDataSender();

    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (String argument : arguments) {
            String[] pair = argument.split("=", 2);
            options.put(pair[0], pair[1]);
        }
        new LeshanClient(options).run();
    }

    private LeshanClient(Map<String, String> options) throws Exception {
        List<ObjectModel> models = ObjectLoader.loadDefault();
        models.addAll(LeshanPeer.models(options.get("models")));
        for (int i = 0; i < SENSORS; i++) {
            sensors[i] = new Sensor(i, 20 + i);
        }
        ObjectsInitializer objects = new ObjectsInitializer(new StaticModel(models));
        objects.setInstancesForObject(0, security(options));
        objects.setInstancesForObject(1, new Server(SHORT_SERVER_ID, Long.parseLong(options.getOrDefault("lifetime", "3600")),
                EnumSet.of(BindingMode.U), false, BindingMode.U));
        objects.setInstancesForObject(3, new Device("Example", "Model", "1"));
        objects.setInstancesForObject(4, new SimpleInstanceEnabler(0, 0, 41L, 2, -60L, 3, 100L));
        if (models.stream().anyMatch(model -> model.id == TEMPERATURE)) {
            objects.setFactoryForObject(TEMPERATURE, new BaseInstanceEnablerFactory() {
                @Override
                public BaseInstanceEnabler create() {
                    return new Sensor();
                }
            });
            objects.setInstancesForObject(TEMPERATURE, sensors);
        }

        DefaultRegistrationEngineFactory engine = new DefaultRegistrationEngineFactory();
        engine.setQueueMode(Boolean.parseBoolean(options.get("queue")));
        LeshanClientBuilder builder = new LeshanClientBuilder(options.get("endpoint"));
        builder.setObjects(objects.createAll());
        builder.setEndpointsProviders(endpoints());
        builder.setRegistrationEngineFactory(engine);
        builder.setDataSenders(sender);
        client = builder.build();
        client.addObserver(new LwM2mClientObserverAdapter() {
            @Override
            public void onRegistrationSuccess(LwM2mServer server, RegisterRequest request, String location) {
                System.out.println("REGISTERED " + location);
            }

            @Override
            public void onUpdateSuccess(LwM2mServer server, UpdateRequest request) {
                System.out.println("UPDATED");
            }
        });
    }

    private static LwM2mInstanceEnabler security(Map<String, String> options) {
        String uri = options.get("uri");
        if (!options.containsKey("identity")) {
            return Security.noSec(uri, SHORT_SERVER_ID);
        }
        return Security.psk(uri, SHORT_SERVER_ID, options.get("identity").getBytes(), Hex.decodeHex(options.get("key").toCharArray()));
    }

    private static CaliforniumClientEndpointsProvider endpoints() {
        CaliforniumClientEndpointsProvider.Builder endpoints = new CaliforniumClientEndpointsProvider.Builder(
                new CoapClientProtocolProvider(), new CoapsClientProtocolProvider());
        Configuration configuration = endpoints.createDefaultConfiguration();
        configuration.set(DtlsConfig.DTLS_CONNECTION_ID_LENGTH, 0); // it understands one and asks for none
        endpoints.setConfiguration(configuration);
        return endpoints.build();
    }

    private void run() throws Exception {
        client.start();
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            perform(line.split(" "));
        }
        client.destroy(true);
        System.exit(0);
    }

    private void perform(String[] command) throws Exception {
        switch (command[0]) {
        case "set":
            sensors[Integer.parseInt(command[1])].set(Double.parseDouble(command[2]));
            break;
        case "send":
            for (LwM2mServer server : client.getRegisteredServers().values()) {
                client.getSendService().sendData(server, ContentFormat.SENML_CBOR,
                        Arrays.asList("/" + TEMPERATURE + "/" + command[1] + "/" + SENSOR_VALUE), 5000);
            }
            break;
        case "update":
            client.triggerRegistrationUpdate();
            break;
        default:
            System.err.println("no command " + command[0]);
        }
    }
}

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.eclipse.leshan.core.link.DefaultLinkSerializer;
import org.eclipse.leshan.core.node.TimestampedLwM2mNodes;
import org.eclipse.leshan.core.observation.CompositeObservation;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.observation.SingleObservation;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.core.request.SendRequest;
import org.eclipse.leshan.core.response.ObserveCompositeResponse;
import org.eclipse.leshan.core.response.ObserveResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.observation.ObservationListener;
import org.eclipse.leshan.server.queue.PresenceListener;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationListener;
import org.eclipse.leshan.server.registration.RegistrationUpdate;
import org.eclipse.leshan.server.send.SendListener;

/** What happened at the server, numbered from 1: {"seq","type","endpoint", …}. */
class Events implements RegistrationListener, PresenceListener, ObservationListener, SendListener {
    private final List<ObjectNode> all = new ArrayList<>();

    Events(LeshanServer server) {
        server.getRegistrationService().addListener(this);
        server.getPresenceService().addListener(this);
        server.getObservationService().addListener(this);
        server.getSendService().addListener(this);
    }

    /** The events after number seq; if there are none, waits for the next up to millis. */
    synchronized JsonNode after(long seq, long millis) throws InterruptedException {
        long end = System.nanoTime() + millis * 1_000_000;
        for (long left = millis; all.size() <= seq && left > 0; left = (end - System.nanoTime()) / 1_000_000) {
            wait(left);
        }
        ArrayNode events = LeshanPeer.JSON.createArrayNode();
        for (long i = seq; i < all.size(); i++) {
            events.add(all.get((int) i));
        }
        return events;
    }

    synchronized long last() {
        return all.size();
    }

    private synchronized void add(String type, String endpoint, ObjectNode event) {
        event.put("seq", all.size() + 1).put("type", type).put("endpoint", endpoint);
        all.add(event);
        notifyAll();
    }

    static ObjectNode describe(Registration registration) {
        ObjectNode node = LeshanPeer.JSON.createObjectNode();
        node.put("id", registration.getId());
        node.put("address", registration.getAddress().getHostAddress() + ":" + registration.getPort());
        node.put("uri", registration.getEndpointUri().toString());
        node.put("identity", registration.getClientTransportData().getIdentity().toString());
        node.put("version", registration.getLwM2mVersion().toString());
        node.put("binding", BindingMode.toString(registration.getBindingMode()));
        node.put("queue", registration.usesQueueMode());
        node.put("lifetime", registration.getLifeTimeInSec());
        node.put("links", new DefaultLinkSerializer().serializeCoreLinkFormat(registration.getObjectLinks()));
        node.put("updated", registration.getLastUpdate().getTime());
        ObjectNode attributes = node.putObject("attributes");
        registration.getAdditionalRegistrationAttributes().forEach(attributes::put);
        ObjectNode objects = node.putObject("objects");
        registration.getSupportedObject().forEach((id, version) -> objects.put(id.toString(), version.toString()));
        return node;
    }

    private void addRegistration(String type, Registration registration) {
        ObjectNode event = LeshanPeer.JSON.createObjectNode();
        event.set("client", describe(registration));
        add(type, registration.getEndpoint(), event);
    }

    @Override
    public void registered(Registration registration, Registration previous, Collection<Observation> previousObservations) {
        addRegistration("registered", registration);
    }

    @Override
    public void updated(RegistrationUpdate update, Registration updated, Registration previous) {
        addRegistration("updated", updated);
    }

    @Override
    public void unregistered(Registration registration, Collection<Observation> observations, boolean expired, Registration next) {
        addRegistration(expired ? "expired" : "unregistered", registration);
    }

    @Override
    public void onAwake(Registration registration) {
        add("awake", registration.getEndpoint(), LeshanPeer.JSON.createObjectNode());
    }

    @Override
    public void onSleeping(Registration registration) {
        add("sleeping", registration.getEndpoint(), LeshanPeer.JSON.createObjectNode());
    }

    @Override
    public void newObservation(Observation observation, Registration registration) {
        // the answer to the request says so
    }

    @Override
    public void cancelled(Observation observation) {
        // the answer to the request says so
    }

    @Override
    public void onResponse(SingleObservation observation, Registration registration, ObserveResponse response) {
        ObjectNode event = Requests.describe(response);
        event.put("path", observation.getPath().toString());
        if (response.getTimestampedLwM2mNodes() != null) {
            ArrayNode history = event.putArray("history");
            response.getTimestampedLwM2mNodes().forEach(node -> history.addObject()
                    .put("time", node.isTimestamped() ? node.getTimestamp().toEpochMilli() : 0)
                    .set("content", Content.of(observation.getPath(), node.getNode())));
        }
        event.set("content", Content.of(observation.getPath(), response.getContent()));
        add("notification", registration.getEndpoint(), event);
    }

    @Override
    public void onResponse(CompositeObservation observation, Registration registration, ObserveCompositeResponse response) {
        ObjectNode event = Requests.describe(response);
        event.set("content", Content.of(response.getContent()));
        add("notification", registration.getEndpoint(), event);
    }

    @Override
    public void onError(Observation observation, Registration registration, Exception error) {
        add("error", registration.getEndpoint(), LeshanPeer.JSON.createObjectNode().put("error", error.toString()));
    }

    @Override
    public void dataReceived(Registration registration, TimestampedLwM2mNodes data, SendRequest request) {
        ObjectNode event = LeshanPeer.JSON.createObjectNode();
        event.put("format", request.getFormat().getCode());
        ArrayNode history = event.putArray("history");
        data.getTimestamps().forEach(time -> history.addObject()
                .put("time", time == null ? 0 : time.toEpochMilli())
                .set("content", Content.of(data.getNodesAt(time))));
        event.set("content", Content.of(data.getMostRecentNodes()));
        add("send", registration.getEndpoint(), event);
    }

    @Override
    public void onError(Registration registration, String message, Exception error) {
        add("error", registration == null ? "" : registration.getEndpoint(),
                LeshanPeer.JSON.createObjectNode().put("error", message + ": " + error));
    }
}

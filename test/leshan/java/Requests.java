import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.leshan.core.link.DefaultLinkSerializer;
import org.eclipse.leshan.core.link.lwm2m.attributes.DefaultLwM2mAttributeParser;
import org.eclipse.leshan.core.link.lwm2m.attributes.LwM2mAttributeSet;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.observation.CompositeObservation;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.observation.SingleObservation;
import org.eclipse.leshan.core.request.CancelCompositeObservationRequest;
import org.eclipse.leshan.core.request.CancelObservationRequest;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.CreateRequest;
import org.eclipse.leshan.core.request.DeleteRequest;
import org.eclipse.leshan.core.request.DiscoverRequest;
import org.eclipse.leshan.core.request.DownlinkDeviceManagementRequest;
import org.eclipse.leshan.core.request.ExecuteRequest;
import org.eclipse.leshan.core.request.ObserveCompositeRequest;
import org.eclipse.leshan.core.request.ObserveRequest;
import org.eclipse.leshan.core.request.ReadCompositeRequest;
import org.eclipse.leshan.core.request.ReadRequest;
import org.eclipse.leshan.core.request.WriteAttributesRequest;
import org.eclipse.leshan.core.request.WriteCompositeRequest;
import org.eclipse.leshan.core.request.WriteRequest;
import org.eclipse.leshan.core.response.CreateResponse;
import org.eclipse.leshan.core.response.DiscoverResponse;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.core.response.ReadCompositeResponse;
import org.eclipse.leshan.core.response.ReadResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.registration.Registration;

/**
 * One operation on a registered client: {"endpoint","op","path","format","timeout", …} gives {"code":"2.05","format","size","content",
 * "links","location"}, or {"failure","message"} where no answer came: the name of Leshan's exception, or "TimeoutException".
 *
 * <pre>
 * read, observe, discover, delete, cancel (Observe 1), forget (the next notification is answered by a Reset)
 * replace, update, create   "values": {"":"text", "/110":"text", "/1110/0":"text"}, paths relative to "path"
 * execute                   "arguments"
 * attributes                "attributes": "pmin=1&amp;pmax=5"
 * read-composite, observe-composite, cancel-composite (the only one)   "paths": ["/3/0/0"], "format" of the list, "accept" of the answer
 * write-composite           "values": {"/3/0/15":"text"}, absolute paths
 * </pre>
 */
class Requests {
    private final LeshanServer server;

    Requests(LeshanServer server) {
        this.server = server;
    }

    JsonNode perform(JsonNode body) throws Exception {
        Registration registration = server.getRegistrationService().getByEndpoint(body.path("endpoint").asText());
        if (registration == null) {
            return failure("NotRegistered", body.path("endpoint").asText());
        }
        LwM2mPath path = new LwM2mPath(body.path("path").asText());
        if (body.path("op").asText().equals("forget")) {
            server.getObservationService().cancelObservation(observation(registration, path));
            return LeshanPeer.JSON.createObjectNode();
        }
        try {
            LwM2mResponse response = server.send(registration, request(registration, path, body), body.path("timeout").asLong(5000));
            return response == null ? failure("TimeoutException", "no answer") : answer(path, response);
        } catch (RuntimeException e) {
            return failure(e.getClass().getSimpleName(), e.getMessage());
        }
    }

    private static ObjectNode failure(String kind, String message) {
        return LeshanPeer.JSON.createObjectNode().put("failure", kind).put("message", message);
    }

    private Observation observation(Registration registration, LwM2mPath path) {
        for (Observation observation : server.getObservationService().getObservations(registration)) {
            if (observation instanceof SingleObservation && ((SingleObservation) observation).getPath().equals(path)) {
                return observation;
            }
        }
        throw new IllegalArgumentException("no observation of " + path);
    }

    private CompositeObservation compositeObservation(Registration registration) {
        for (Observation observation : server.getObservationService().getObservations(registration)) {
            if (observation instanceof CompositeObservation) {
                return (CompositeObservation) observation;
            }
        }
        throw new IllegalArgumentException("no composite observation");
    }

    private static List<LwM2mPath> paths(JsonNode body) {
        List<LwM2mPath> paths = new ArrayList<>();
        body.path("paths").forEach(path -> paths.add(new LwM2mPath(path.asText())));
        return paths;
    }

    private WriteCompositeRequest writeComposite(Registration registration, ContentFormat format, JsonNode body) throws Exception {
        Map<LwM2mPath, LwM2mNode> nodes = new LinkedHashMap<>();
        for (Map.Entry<LwM2mPath, String> value : values(LwM2mPath.ROOTPATH, body).entrySet()) {
            nodes.put(value.getKey(), Content.node(model(registration), value.getKey(), Map.of(value.getKey(), value.getValue())));
        }
        return new WriteCompositeRequest(format, nodes, null);
    }

    private DownlinkDeviceManagementRequest<? extends LwM2mResponse> request(Registration registration, LwM2mPath path, JsonNode body)
            throws Exception {
        ContentFormat format = body.hasNonNull("format") ? ContentFormat.fromCode(body.path("format").asInt()) : null;
        ContentFormat accept = body.hasNonNull("accept") ? ContentFormat.fromCode(body.path("accept").asInt()) : format;
        String op = body.path("op").asText();
        switch (op) {
        case "read-composite":
            return new ReadCompositeRequest(paths(body), format, accept, null);
        case "observe-composite":
            return new ObserveCompositeRequest(format, accept, paths(body), null);
        case "cancel-composite":
            return new CancelCompositeObservationRequest(compositeObservation(registration));
        case "write-composite":
            return writeComposite(registration, format, body);
        case "read":
            return new ReadRequest(format, path, null);
        case "observe":
            return new ObserveRequest(format, path, null);
        case "cancel":
            return new CancelObservationRequest((SingleObservation) observation(registration, path));
        case "discover":
            return new DiscoverRequest(path.toString());
        case "delete":
            return new DeleteRequest(path.toString());
        case "execute":
            return new ExecuteRequest(path.toString(), body.path("arguments").asText(null));
        case "attributes":
            return new WriteAttributesRequest(path.toString(),
                    new LwM2mAttributeSet(new DefaultLwM2mAttributeParser().parseUriQuery(body.path("attributes").asText())));
        case "replace":
        case "update":
            return new WriteRequest(op.equals("replace") ? WriteRequest.Mode.REPLACE : WriteRequest.Mode.UPDATE, format, path,
                    Content.node(model(registration), path, values(path, body)), null);
        case "create":
            return create(registration, path, format, body);
        default:
            throw new IllegalArgumentException("no operation " + op);
        }
    }

    private LwM2mModel model(Registration registration) {
        return server.getModelProvider().getObjectModel(registration);
    }

    private static Map<LwM2mPath, String> values(LwM2mPath path, JsonNode body) {
        Map<LwM2mPath, String> values = new LinkedHashMap<>();
        body.path("values").fields().forEachRemaining(
                field -> values.put(new LwM2mPath((path.isRoot() ? "" : path) + field.getKey()), field.getValue().asText()));
        return values;
    }

    /** Create of path: with an instance ID, or without one, so that the client chooses. */
    private CreateRequest create(Registration registration, LwM2mPath path, ContentFormat format, JsonNode body) throws Exception {
        int object = path.getObjectId();
        if (path.isObjectInstance()) {
            return new CreateRequest(format, object, new LwM2mObjectInstance(path.getObjectInstanceId(),
                    Content.resources(model(registration), values(path, body))));
        }
        return new CreateRequest(format, object, Content.resources(model(registration), values(new LwM2mPath(object, 0), body)));
    }

    /** The code, content format and size of an answer or notification. */
    static ObjectNode describe(LwM2mResponse response) {
        ObjectNode answer = LeshanPeer.JSON.createObjectNode();
        int code = response.getCode().getCode();
        answer.put("code", String.format("%d.%02d", code / 100, code % 100));
        answer.put("message", response.getErrorMessage());
        if (response.getCoapResponse() instanceof Response) {
            Response coap = (Response) response.getCoapResponse();
            if (coap.getOptions().hasContentFormat()) {
                answer.put("format", coap.getOptions().getContentFormat());
            }
            answer.put("size", coap.getPayloadSize());
            answer.put("confirmable", coap.isConfirmable());
        }
        return answer;
    }

    private static ObjectNode answer(LwM2mPath path, LwM2mResponse response) {
        ObjectNode answer = describe(response);
        if (response instanceof ReadResponse && ((ReadResponse) response).getContent() != null) { // also of Observe and Cancel
            answer.set("content", Content.of(path, ((ReadResponse) response).getContent()));
        } else if (response instanceof ReadCompositeResponse && ((ReadCompositeResponse) response).getContent() != null) { // likewise
            answer.set("content", Content.of(((ReadCompositeResponse) response).getContent()));
        } else if (response instanceof DiscoverResponse && ((DiscoverResponse) response).getObjectLinks() != null) {
            answer.put("links", new DefaultLinkSerializer().serializeCoreLinkFormat(((DiscoverResponse) response).getObjectLinks()));
        } else if (response instanceof CreateResponse) {
            answer.put("location", ((CreateResponse) response).getLocation());
        }
        return answer;
    }
}

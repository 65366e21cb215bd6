import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.io.ByteArrayInputStream;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.concurrent.TimeUnit;

import org.eclipse.californium.elements.DtlsEndpointContext;
import org.eclipse.californium.elements.EndpointContext;
import org.eclipse.californium.elements.RawData;
import org.eclipse.californium.elements.auth.RawPublicKeyIdentity;
import org.eclipse.californium.elements.config.CertificateAuthenticationMode;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.util.StringUtil;
import org.eclipse.californium.scandium.DTLSConnector;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;
import org.eclipse.californium.scandium.dtls.CertificateType;
import org.eclipse.californium.scandium.dtls.pskstore.AdvancedSinglePskStore;
import org.eclipse.californium.scandium.dtls.x509.SingleCertificateProvider;
import org.eclipse.californium.scandium.dtls.x509.StaticNewAdvancedCertificateVerifier;

/**
 * Echoes datagrams over DTLS on loopback. Arguments: PSK identity, PSK, server's private key (PKCS #8), its public key, the client's
 * public key, and the server's certificate, the one of the authority above it, and the root that clients are of (all but the identity in
 * hex), then for each port the length of the connection ID, -1 for none. Prints "PORT length port" for each, "CERT length port" for one
 * with certificates in place of raw public keys, and "READY". The datagram "who" is answered by what the server knows of the session. Ends with its standard input.
 */
public class ScandiumPeer {

    public static void main(String[] args) throws Exception {
        DtlsConfig.register();
        for (int i = 8; i < args.length; i++) {
            int length = Integer.parseInt(args[i]);
            System.out.println("PORT " + length + " " + serve(config(args, length, false)));
            System.out.println("CERT " + length + " " + serve(config(args, length, true)));
        }
        System.out.println("READY");
        while (System.in.read() >= 0) {
            // until the test ends
        }
        System.exit(0);
    }

    private static int serve(DtlsConnectorConfig config) throws Exception {
        DTLSConnector connector = new DTLSConnector(config);
        connector.setRawDataReceiver(raw -> connector.send(
                RawData.outbound(answer(raw), raw.getEndpointContext(), null, false)));
        connector.start();
        return connector.getAddress().getPort();
    }

    private static X509Certificate certificate(String hex) throws Exception {
        return (X509Certificate) CertificateFactory.getInstance("X.509")
                .generateCertificate(new ByteArrayInputStream(StringUtil.hex2ByteArray(hex)));
    }

    private static DtlsConnectorConfig config(String[] args, int length, boolean certificates) throws Exception {
        KeyFactory keys = KeyFactory.getInstance("EC");
        PrivateKey own = keys.generatePrivate(new PKCS8EncodedKeySpec(StringUtil.hex2ByteArray(args[2])));
        PublicKey ownPublic = keys.generatePublic(new X509EncodedKeySpec(StringUtil.hex2ByteArray(args[3])));
        PublicKey client = keys.generatePublic(new X509EncodedKeySpec(StringUtil.hex2ByteArray(args[4])));
        SingleCertificateProvider identity = certificates
                ? new SingleCertificateProvider(own, new X509Certificate[] {certificate(args[5]), certificate(args[6])}, CertificateType.X_509)
                : new SingleCertificateProvider(own, ownPublic);
        StaticNewAdvancedCertificateVerifier.Builder verifier = StaticNewAdvancedCertificateVerifier.builder();
        if (certificates) {
            verifier.setTrustedCertificates(certificate(args[7]));
        } else {
            verifier.setTrustedRPKs(new RawPublicKeyIdentity(client));
        }
        return DtlsConnectorConfig.builder(Configuration.createStandardWithoutFile())
                .setAddress(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0))
                .set(DtlsConfig.DTLS_RECOMMENDED_CIPHER_SUITES_ONLY, false)
                .set(DtlsConfig.DTLS_CONNECTION_ID_LENGTH, length < 0 ? null : length)
                .set(DtlsConfig.DTLS_RETRANSMISSION_TIMEOUT, 400, TimeUnit.MILLISECONDS)
                .set(DtlsConfig.DTLS_CLIENT_AUTHENTICATION_MODE, CertificateAuthenticationMode.NEEDED)
                .setCertificateIdentityProvider(identity)
                .setAdvancedCertificateVerifier(verifier.build())
                .setAdvancedPskStore(new AdvancedSinglePskStore(args[0], StringUtil.hex2ByteArray(args[1])))
                .build();
    }

    private static byte[] answer(RawData raw) {
        if (!new String(raw.getBytes(), StandardCharsets.US_ASCII).equals("who")) {
            return raw.getBytes();
        }
        EndpointContext context = raw.getEndpointContext();
        return String.join(" ", context.getPeerIdentity().getName(),
                context.getString(DtlsEndpointContext.KEY_CIPHER),
                String.valueOf(context.get(DtlsEndpointContext.KEY_EXTENDED_MASTER_SECRET))).getBytes(StandardCharsets.US_ASCII);
    }
}

// Kronecker factors of one linear layer with weight sharing, and the natural-gradient direction they give:
// the engine on plain matrices, for applications that bring their own network.
using KFac.Engine;
using KFac.Kernels;

const int examples = 256;
const int sharing = 8;
const int inputWidth = 64;
const int outputWidth = 24;

using Device device = Device.Open("auto");
using var arena = new Arena(device);
DeviceStream stream = device.DefaultStream;

// [M·R, P_in] inputs and [M·R, P_out] output gradients of the loss summed over examples; here random.
MatrixView<float> inputs = arena.Matrix<float>(examples * sharing, inputWidth);
MatrixView<float> outputGradients = arena.Matrix<float>(examples * sharing, outputWidth);
Philox.Normal(stream, new PhiloxKey(Seed: 0, Sequence: 1), 0, inputs.AsVector());
Philox.Normal(stream, new PhiloxKey(Seed: 0, Sequence: 2), 0, outputGradients.AsVector());

// ∇W = Σ g·aᵀ
MatrixView<float> gradient = arena.Matrix<float>(outputWidth, inputWidth);
Gemm.Run(stream, Transpose.Yes, Transpose.No, 1, outputGradients, inputs, 0, gradient);

MatrixView<float> a = arena.Matrix<float>(inputWidth, inputWidth);
MatrixView<float> b = arena.Matrix<float>(outputWidth, outputWidth);
MatrixView<float> update = arena.Matrix<float>(outputWidth, inputWidth);
VectorView<double> product = arena.Vector<double>(1);
foreach (SharingApproximation approximation in Enum.GetValues<SharingApproximation>())
{
    FactorMath.InputFactor(stream, Rows(inputs), approximation, hasBias: false, a);
    FactorMath.OutputFactor(stream, Rows(outputGradients), approximation, b);
    Preconditioner.Apply(stream, a, b, gradient, damping: 1e-2, DampingStyle.FactoredPi, update);
    Reduction.Dot(stream, gradient, update, product);
    Console.WriteLine($"K-FAC-{approximation}: ⟨∇W, (A⊗B)⁻¹∇W⟩ = {stream.Read(product):G6}");
}

static LayerRows Rows(MatrixView<float> rows) => new(rows, examples, sharing, Segments: null, Seeds: 1, Scale: 1);

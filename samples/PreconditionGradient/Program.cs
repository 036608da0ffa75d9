// Kronecker factors of one linear layer with weight sharing, and the natural-gradient direction they give: the engine on plain arrays,
// for applications that bring their own network.
using KFac.Engine;
using KFac.Kernels;

const int examples = 256;
const int sharing = 8;
const int inputWidth = 64;
const int outputWidth = 24;

// X, [M·R, P_in] row by row, and G, [M·R, P_out]: inputs of the layer, and gradients at its outputs of the loss summed over its terms,
// as an application has them. Here they are random.
float[] x = Random(examples * sharing * inputWidth, sequence: 1);
float[] g = Random(examples * sharing * outputWidth, sequence: 2);

using Device device = Device.Open("auto");
using var arena = new Arena(device);
DeviceStream stream = device.DefaultStream;
MatrixView<float> inputs = arena.Matrix<float>(examples * sharing, inputWidth);
MatrixView<float> outputGradients = arena.Matrix<float>(examples * sharing, outputWidth);
stream.Upload(x, inputs);
stream.Upload(g, outputGradients);

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
    foreach (NumericalEventCount happened in Preconditioner.Apply(stream, a, b, gradient, damping: 1e-2, DampingStyle.FactoredPi, update))
    {
        Console.WriteLine($"{happened.Layer}: {happened.Kind}");
    }

    Reduction.Dot(stream, gradient, update, product);
    Console.WriteLine($"K-FAC-{approximation}: ⟨∇W, (A⊗B)⁻¹∇W⟩ = {stream.Read(product):G6}");
}

var direction = new float[outputWidth * inputWidth];
stream.Download(update, direction);
Console.WriteLine($"{direction.Length} numbers of a direction, the first {direction[0]:G4}");

static LayerRows Rows(MatrixView<float> rows) => new(rows, examples, sharing, Segments: null, Seeds: 1, Scale: 1);

static float[] Random(int length, ulong sequence)
{
    var random = new PhiloxGenerator(new PhiloxKey(Seed: 0, sequence));
    var numbers = new float[length];
    for (int i = 0; i < length; i++)
    {
        numbers[i] = random.NextNormal();
    }

    return numbers;
}

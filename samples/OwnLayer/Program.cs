// A layer of one's own beside those of the library. It is trained next to the same network made of the library's layers, from the same
// weights: what the two hand over for K-FAC is the same, so are their losses.
using KFac.Engine;
using KFac.Kernels;
using KFac.Nn;
using OwnLayer;

const int batch = 64;
const int steps = 20;

using Device device = Device.Open("auto");
using var arena = new Arena(device);
DeviceStream stream = device.DefaultStream;
MatrixView<float> inputs = arena.Matrix<float>(batch, 8);
MatrixView<float> targets = arena.Matrix<float>(batch, 3);
Philox.Normal(stream, new PhiloxKey(Seed: 0, Sequence: 1), 0, inputs.AsVector());
Elementwise.Copy(stream, inputs.Slice(0, 0, batch, 3), targets);

double own = Train(new Sequential(new TanhLinear("hidden", 8, 16), new Linear("output", 16, 3)));
double library = Train(new Sequential(
    new Linear("hidden", 8, 16, bias: false, WeightInitialization.Glorot), new ActivationLayer(ActivationKind.Tanh), new Linear("output", 16, 3)));
Console.WriteLine($"mean loss after {steps} steps: {own:E4} with the own layer, {library:E4} with the library's");

double Train(Module layers)
{
    using var network = new Network(device, layers, new SquaredErrorLoss(), new PhiloxKey(Seed: 0, Sequence: 2));
    using var optimizer = new KfacOptimizer(device, network, network.Parameters, new KfacOptions { Damping = 1e-2 });
    for (int step = 0; step < steps; step++)
    {
        network.Forward(inputs, TensorShape.Of(batch, 8));
        network.SetTargets(Targets.Of(targets));
        network.Backward(optimizer.TrainingPassSink);
        optimizer.Step(network, network.Parameters, learningRate: 0.1);
    }

    network.Forward(inputs, TensorShape.Of(batch, 8));
    network.SetTargets(Targets.Of(targets));
    return network.MeanLoss();
}

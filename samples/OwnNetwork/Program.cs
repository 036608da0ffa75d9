// An application with its own network, weights and passes, trained by the engine's K-FAC: no layer of KFac.Nn is used.
using KFac.Engine;
using KFac.Kernels;
using OwnNetwork;

const int batch = 128;

using Device device = Device.Open("auto");
using var arena = new Arena(device);
DeviceStream stream = device.DefaultStream;
MatrixView<float> inputs = arena.Matrix<float>(batch, 4);
MatrixView<float> targets = arena.Matrix<float>(batch, 2);
Philox.Normal(stream, new PhiloxKey(Seed: 0, Sequence: 2), 0, inputs.AsVector());
Activation.Forward(stream, ActivationKind.Sigmoid, inputs.Slice(0, 0, batch, 2), targets);

using var network = new TwoLayers(device, 4, 32, 2);
using var optimizer = new KfacOptimizer(
    device,
    network,
    network.Parameters,
    new KfacOptions { Damping = 1e-2, MovingAverage = 0.9, OnEvent = happened => Console.WriteLine(happened) });

for (int step = 0; step <= 100; step++)
{
    network.Forward(inputs);
    double loss = network.Backward(targets);
    if (step % 25 == 0)
    {
        Console.WriteLine($"step {step,3}: mean loss {loss:E3}");
    }

    optimizer.Step(network, network.Parameters, learningRate: 0.1);
}
